"""What the latent space of a model is like: which latents are used, and how near N(0, I) they lie.

mean, logvar [N, L] of held-out images → active latents, KL of each, aggregated posterior

The aggregated posterior is the mean of q(z|x) over images: what draws from the prior should look
like. Of a plain autoencoder it is the cloud of its codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.likelihood import kl_per_latent

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

ACTIVE_VARIANCE = 0.01
"""A latent is active if its mean varies by more than this (Burda, Grosse, Salakhutdinov 2015)."""
_RANK = 1e-9


@dataclass(frozen=True)
class Latents:
    """Held-out figures of the latent space.

    Attributes:
        dimension: L.
        images: How many.
        active_units: Latents whose mean varies over images by more than `ACTIVE_VARIANCE`.
        mean_variances: Variance over images of each latent's mean.
        kl_per_latent: Nats of each latent, mean over images; None for a plain autoencoder.
        largest_mean: Of the aggregated posterior, absolute; 0 for N(0, I).
        smallest_variance: Of the aggregated posterior's latents; 1 for N(0, I).
        largest_variance: The same.
        largest_correlation: Of two different latents, absolute; 0 for N(0, I).
        gaussian_kl: KL from N(0, I) of the Gaussian with the aggregated posterior's moments, nats;
            None for a plain autoencoder.
        kurtosis: Mardia's, over that of a Gaussian: 1 if it is one, more with heavy tails or
            clusters of unlike width.
    """

    dimension: int
    images: int
    active_units: int
    mean_variances: tuple[float, ...]
    kl_per_latent: tuple[float, ...] | None
    largest_mean: float
    smallest_variance: float
    largest_variance: float
    largest_correlation: float
    gaussian_kl: float | None
    kurtosis: float


def describe_latents(mean: Float32, logvar: Float32 | None, *, seed: int) -> Latents:
    """The figures of ``mean`` and ``logvar`` float32 [N, L], N at least 2.

    Args:
        mean: Of each image.
        logvar: None for a plain autoencoder.
        seed: Of one draw for each image, for the kurtosis.

    Raises:
        ValueError: There are fewer than two images.
    """
    count, dimension = mean.shape
    if count < 2:  # noqa: PLR2004  (a covariance)
        raise ValueError(f"latents are described from 2 images or more, not {count}")
    codes = mean.astype(np.float64)
    covariance = np.atleast_2d(np.cov(codes, rowvar=False))
    if logvar is not None:
        spread = np.exp(0.5 * logvar.astype(np.float64))
        covariance = covariance + np.diag((spread**2).mean(axis=0))
        noise = np.random.default_rng(seed).standard_normal(mean.shape)
        drawn = codes + spread * noise
    else:
        drawn = codes
    centre, variances = codes.mean(axis=0), np.diag(covariance)
    return Latents(
        dimension=dimension,
        images=count,
        active_units=int((codes.var(axis=0) > ACTIVE_VARIANCE).sum()),
        mean_variances=tuple(codes.var(axis=0).tolist()),
        kl_per_latent=None
        if logvar is None
        else tuple(kl_per_latent(mean, logvar).mean(axis=0).tolist()),
        largest_mean=float(np.abs(centre).max()),
        smallest_variance=float(variances.min()),
        largest_variance=float(variances.max()),
        largest_correlation=_largest_correlation(covariance),
        gaussian_kl=None if logvar is None else _kl_of_gaussian(centre, covariance),
        kurtosis=kurtosis(drawn),
    )


def kurtosis(rows: Float64) -> float:
    """Mean fourth power of the Mahalanobis distance, over that of a Gaussian (Mardia 1970).

    Args:
        rows: float64 [N, L]; directions without variance are left out.
    """
    centred = rows - rows.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(rows))
    kept = values > _RANK * max(float(values.max()), 1e-300)
    white = (centred @ vectors[:, kept]) / np.sqrt(values[kept])
    rank = int(kept.sum())
    return float(((white**2).sum(axis=1) ** 2).mean() / (rank * (rank + 2)))


def _largest_correlation(covariance: Float64) -> float:
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlation = np.abs(covariance / np.outer(scale, scale))
    np.fill_diagonal(correlation, 0.0)
    return float(correlation.max())


def _kl_of_gaussian(mean: Float64, covariance: Float64) -> float:
    """½ (tr S + m'm - L - log det S)."""
    log_determinant = np.linalg.slogdet(covariance)[1]
    return float(0.5 * (np.trace(covariance) + mean @ mean - len(mean) - log_determinant))

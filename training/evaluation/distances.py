"""How far a set of images is from the real ones, by the features that some extractor reads.

real features [N, F], fake features [M, F] → Fréchet distance, kernel distance, precision … coverage

Knows no images and no extractor. Distances are float64 throughout: in float32 a covariance of
hundreds of features loses the small differences that are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances

Features = NDArray[np.floating]
Float64 = NDArray[np.float64]

NEIGHBOURS = 5
"""k of `manifold_overlap`."""


def frechet_distance(one: Features, other: Features) -> float:
    """Distance of the Gaussians that have the moments of two sets of features.

    ``|m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½)`` (Dowson and Landau 1982). It is biased upwards by
    about 1/N: compare only values that were computed from equally many images.

    Args:
        one: [N, F], N at least 2.
        other: [M, F], M at least 2.

    Raises:
        ValueError: A set has fewer than two rows.
    """
    return gaussian_distance(*_moments(one), *_moments(other))


def gaussian_distance(
    mean1: Float64, covariance1: Float64, mean2: Float64, covariance2: Float64
) -> float:
    """The same of two Gaussians: means float64 [F], covariances float64 [F, F].

    The trace of the root comes from the eigenvalues of ``S1^½ S2 S1^½``, which is symmetric: they
    are those of ``S1 S2``, and real whatever the rank of the two.
    """
    root = _root(covariance1)
    eigenvalues = np.linalg.eigvalsh(root @ covariance2 @ root)
    cross = np.sqrt(np.clip(eigenvalues, 0.0, None)).sum()
    moved = ((mean1 - mean2) ** 2).sum()
    distance = moved + np.trace(covariance1) + np.trace(covariance2) - 2.0 * cross
    return max(float(distance), 0.0)


def kernel_distance(
    one: Features, other: Features, *, subsets: int, size: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Squared maximum mean discrepancy with the kernel ``(x·y / F + 1)³``, without bias.

    The estimate of Bińkowski et al. 2018, section 4, known as KID: the mean over subsets of the
    U-statistic. It can come out below 0 where the two sets are alike.

    Args:
        one: [N, F].
        other: [M, F].
        subsets: How many are drawn.
        size: Of each, from each of the two sets, without replacement; at most N and M are used.
        rng: Draws them.

    Returns:
        Mean and standard deviation over the subsets.

    Raises:
        ValueError: A subset would have fewer than two rows.
    """
    size = min(size, len(one), len(other))
    if size < 2:  # noqa: PLR2004  (a pair)
        raise ValueError(
            f"a kernel distance needs 2 rows of each set, not {len(one)} and {len(other)}"
        )
    x, y = one.astype(np.float64), other.astype(np.float64)
    rows, columns = _chosen(len(x), subsets, size, rng), _chosen(len(y), subsets, size, rng)
    across = ((rows @ _cubic(x, y)) * columns).sum(axis=1) / size**2
    found = _pairs(_cubic(x, x), rows) + _pairs(_cubic(y, y), columns) - 2.0 * across
    return float(np.mean(found)), float(np.std(found))


@dataclass(frozen=True)
class Overlap:
    """How two sets overlap, by the ball around each image that reaches its k-th neighbour.

    Attributes:
        precision: Share of fake images inside any real image's ball.
        recall: Share of real images inside any fake image's ball.
        density: Real balls that a fake image lies in, divided by k, on average; 1 for equal sets.
        coverage: Share of real images whose ball holds a fake image.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold_overlap(real: Features, fake: Features, *, neighbours: int = NEIGHBOURS) -> Overlap:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    Args:
        real: [N, F], N more than ``neighbours``.
        fake: [M, F], M more than ``neighbours``.
        neighbours: k: the radius of a ball is the distance to the k-th neighbour in the own set.

    Raises:
        ValueError: A set has no k-th neighbour.
    """
    if min(len(real), len(fake)) <= neighbours:
        raise ValueError(
            f"{len(real)} real and {len(fake)} fake rows have no neighbour number {neighbours}; "
            "give more images"
        )
    real_radius, fake_radius = _radii(real, neighbours), _radii(fake, neighbours)
    distance = _distances(real, fake)
    inside_real = distance < real_radius[:, None]
    return Overlap(
        precision=float(inside_real.any(axis=0).mean()),
        recall=float((distance < fake_radius[None]).any(axis=1).mean()),
        density=float(inside_real.sum(axis=0).mean() / neighbours),
        coverage=float((distance.min(axis=1) < real_radius).mean()),
    )


def _moments(features: Features) -> tuple[Float64, Float64]:
    if len(features) < 2:  # noqa: PLR2004  (a covariance)
        raise ValueError(f"a Fréchet distance needs 2 rows of each set, not {len(features)}")
    rows = features.astype(np.float64)
    return rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False))


def _root(covariance: Float64) -> Float64:
    """Symmetric square root; tiny negative eigenvalues are rounding and count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    root: Float64 = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    return root


def _cubic(x: Float64, y: Float64) -> Float64:
    kernel: Float64 = (x @ y.T / x.shape[1] + 1.0) ** 3
    return kernel


def _chosen(count: int, subsets: int, size: int, rng: np.random.Generator) -> Float64:
    """float64 [subsets, count]: 1 where a subset of ``size`` has the row."""
    chosen = np.zeros((subsets, count))
    for subset in chosen:
        subset[rng.choice(count, size, replace=False)] = 1.0
    return chosen


def _pairs(kernel: Float64, chosen: Float64) -> Float64:
    """The mean over pairs of two different rows of each subset, float64 [subsets]."""
    size = chosen[0].sum()
    total = ((chosen @ kernel) * chosen).sum(axis=1) - chosen @ np.diag(kernel)
    return np.asarray(total / (size * (size - 1.0)), np.float64)


def _radii(rows: Features, neighbours: int) -> Float64:
    # Place 0 of a sorted row is the image itself.
    radii: Float64 = np.partition(_distances(rows, rows), neighbours, axis=1)[:, neighbours]
    return radii


def _distances(rows: Features, columns: Features) -> Float64:
    if rows is columns:  # the distance of a row to itself is then 0 exactly
        return np.asarray(euclidean_distances(rows.astype(np.float64)), np.float64)
    found = euclidean_distances(rows.astype(np.float64), columns.astype(np.float64))
    return np.asarray(found, np.float64)

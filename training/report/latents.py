"""What each latent carries, in numbers.

mean, logvar [N, L] → KL of each latent, which are active, draws · values → density in bins
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.evaluation.latents import ACTIVE_VARIANCE
from training.evaluation.likelihood import kl_per_latent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class LatentFigures:
    """One row for each latent.

    Attributes:
        variance: float64 [L], of the means over the images.
        kl: float64 [L] in nats, averaged over the images; None for a plain autoencoder.
        order: int64 [L], the latents from the one that carries most to the one that carries least.
    """

    variance: NDArray[np.float64]
    kl: NDArray[np.float64] | None
    order: NDArray[np.intp]

    @classmethod
    def of(cls, mean: Float32, logvar: Float32 | None) -> LatentFigures:
        """From mean and logvar, each float32 [N, L]."""
        variance = mean.var(axis=0, dtype=np.float64)
        kl = None if logvar is None else kl_per_latent(mean, logvar).mean(axis=0)
        order = np.argsort(-(variance if kl is None else kl), kind="stable")
        return cls(variance, kl, order)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which latents are active, bool [L]: their mean varies by more than `ACTIVE_VARIANCE`."""
        return self.variance > ACTIVE_VARIANCE


def draws(mean: Float32, logvar: Float32 | None, rng: np.random.Generator) -> Float32:
    """One z for each row, mean + exp(logvar / 2) · ε, float32 [N, L]; without logvar the mean."""
    if logvar is None:
        return mean
    noise = rng.standard_normal(mean.shape, np.float32)
    return np.asarray(mean + np.exp(0.5 * logvar) * noise, np.float32)


def density(values: Float32, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of all ``values`` in each bin over the bin's width, float64 [len(edges) - 1].

    Values outside the edges count in the whole, so that a density never looks fuller than it is.
    """
    counts, _ = np.histogram(values, edges)
    return counts / (max(1, values.size) * np.diff(edges))

"""The prior that samples are drawn from: a mixture of Gaussians over latents.

uniform [N], normal [N, L] → component of each row → mean + temperature · Cholesky · normal → [N, L]

Random numbers come in as arguments, so that the same numbers give the same latents everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_WEIGHT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Prior:
    """A Gaussian mixture with full covariances.

    Attributes:
        weights: float32 [K], non-negative, sum 1.
        means: float32 [K, L].
        cholesky: float32 [K, L, L], lower triangular factors of the covariances.
    """

    weights: Float32
    means: Float32
    cholesky: Float32

    def __post_init__(self) -> None:
        """Refuse arrays that are no mixture."""
        k, latents = self.means.shape
        if self.weights.shape != (k,) or self.cholesky.shape != (k, latents, latents):
            raise ValueError(
                f"prior shapes do not agree: weights {self.weights.shape}, "
                f"means {self.means.shape}, cholesky {self.cholesky.shape}"
            )
        if not all(np.isfinite(a).all() for a in (self.weights, self.means, self.cholesky)):
            raise ValueError("the prior holds values that are not finite")
        if self.weights.min() < 0 or abs(float(self.weights.sum()) - 1.0) > _WEIGHT_TOLERANCE:
            raise ValueError(f"prior weights must be >= 0 and sum to 1, not {self.weights}")

    @classmethod
    def standard_normal(cls, dimension: int) -> Prior:
        """N(0, I) over ``dimension`` latents."""
        return cls(
            weights=np.ones(1, np.float32),
            means=np.zeros((1, dimension), np.float32),
            cholesky=np.eye(dimension, dtype=np.float32)[None],
        )

    @classmethod
    def gaussian(cls, latents: Float32) -> Prior:
        """The one Gaussian that has the mean and covariance of ``latents`` float32 [N, L]."""
        samples = latents.astype(np.float64)
        covariance = np.atleast_2d(np.cov(samples, rowvar=False))
        # A collapsed latent has a variance of almost nothing; the factor must exist all the same.
        covariance += 1e-6 * np.eye(covariance.shape[0])
        return cls(
            weights=np.ones(1, np.float32),
            means=samples.mean(axis=0, keepdims=True).astype(np.float32),
            cholesky=np.linalg.cholesky(covariance)[None].astype(np.float32),
        )

    @property
    def dimension(self) -> int:
        """L, the number of latents."""
        return int(self.means.shape[1])

    def sample(
        self, uniform: NDArray[np.float64], normal: Float32, temperature: float = 1.0
    ) -> Float32:
        """Latents for given random numbers.

        Args:
            uniform: [N] in [0, 1), chooses the component of each row.
            normal: float32 [N, L], standard normal.
            temperature: Scales the spread about each component's mean; 1 is the prior itself.

        Returns:
            float32 [N, L]; row i depends on row i of the arguments only.
        """
        edges = np.cumsum(self.weights[:-1], dtype=np.float64)
        component = np.searchsorted(edges, uniform, "right")
        # Row by row and without BLAS: a row's bits must not depend on how many rows there are,
        # and no factor [L, L] is copied.
        spread = np.empty_like(normal)
        for row, chosen in enumerate(component):
            spread[row] = np.einsum("ij,j->i", self.cholesky[chosen], normal[row], optimize=False)
        latents: Float32 = self.means[component] + np.float32(temperature) * spread
        return latents

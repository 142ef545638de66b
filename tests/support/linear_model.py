"""A model whose every probability is known: a linear decoder with Gaussian noise.

z ~ N(0, I) → 1/2 + W z + σ · noise → grey levels; q(z|x) is the true posterior, or one off it

W has orthogonal columns, so that the true posterior is a diagonal Gaussian, as q is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 4
VALUES = SIDE * SIDE
SIGMA = 0.08


class LinearModel:
    """A `training.evaluation.Model` of ``latent`` latents over grey images of 4 × 4 pixels.

    Args:
        latent: L.
        gain: Length of each column of W; 0 decodes everything to grey.
        excess: Added to the true posterior's log-variance; 0 is the posterior itself.
        variational: Without it the model says no log-variance.
    """

    def __init__(
        self,
        latent: int = 2,
        *,
        gain: float = 0.2,
        excess: float = 0.0,
        variational: bool = True,
    ) -> None:
        """Choose W; it is the same for every model of these sizes."""
        basis = np.linalg.qr(np.random.default_rng(0).standard_normal((VALUES, latent)))[0]
        self.latent = latent
        self.weights = gain * basis
        self._excess, self._variational = excess, variational
        self._gain = gain

    def images(self, count: int, seed: int = 0) -> NDArray[np.uint8]:
        """Draws from the model, uint8 [N, 4, 4, 1]."""
        rng = np.random.default_rng(seed)
        unit = 0.5 + rng.standard_normal((count, self.latent)) @ self.weights.T
        unit += SIGMA * rng.standard_normal(unit.shape)
        return np.rint(255 * unit.clip(0, 1)).astype(np.uint8).reshape(-1, SIDE, SIDE, 1)

    def encode(
        self, images: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """The posterior of the model, its log-variance moved by ``excess``."""
        centred = images.reshape(len(images), VALUES) / 255.0 - 0.5
        variance = 1.0 / (1.0 + self._gain**2 / SIGMA**2)
        mean = (variance / SIGMA**2 * centred @ self.weights).astype(np.float32)
        logvar = np.full_like(mean, math.log(variance) + self._excess)
        return mean, logvar if self._variational else None

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The mean image, rounded."""
        return np.rint(255 * self.decode_unit(latents).clip(0, 1)).astype(np.uint8)

    def decode_unit(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean image; not clipped, so that the model stays linear."""
        unit = 0.5 + latents.astype(np.float64) @ self.weights.T
        return unit.astype(np.float32).reshape(-1, SIDE, SIDE, 1)

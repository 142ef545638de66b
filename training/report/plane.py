"""The plane that pictures of a latent space lie in, and the grids of points on it.

means [N, L] → plane: two axes → points [N, 2] · grid [M, 2] → latents [M, L]

1. With two latents the plane is the latent space itself, coordinates unchanged.
2. The signs of principal axes are fixed, so that the same means give the same picture.
3. Grids run as pictures do: the first row is the highest, left to right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from sklearn.decomposition import PCA

Float32 = NDArray[np.float32]

PLANE = 2
"""Dimensions of a picture."""
TAIL = 0.01
"""Quantile grids begin here and end at 1 - `TAIL`: at 0 and 1 the normal's quantile is infinite."""


@dataclass(frozen=True)
class Plane:
    """Two directions through a centre.

    Attributes:
        centre: float32 [L].
        axes: float32 [2, L], orthonormal.
        spread: float32 [2], standard deviation of the means along each axis.
        explained: Share of the means' variance that lies in the plane, in [0, 1].
        whole: The latent space has two dimensions, and this is it.
    """

    centre: Float32
    axes: Float32
    spread: Float32
    explained: float
    whole: bool

    @classmethod
    def of(cls, means: Float32) -> Plane:
        """The first two principal axes of ``means`` float32 [N, L]; L = 2: the latents as is.

        Raises:
            ValueError: There is one latent only, or not one mean for each axis.
        """
        count, latents = means.shape
        if min(count, latents) < PLANE:
            raise ValueError(f"{count} means of {latents} latents span no plane; both must be >= 2")
        if latents == PLANE:
            centre, axes = np.zeros(PLANE), np.eye(PLANE)
            spread, explained = means.std(axis=0, dtype=np.float64), 1.0
        else:
            with np.errstate(invalid="ignore"):  # means that are all the same have no variance
                found = PCA(PLANE, svd_solver="full").fit(means.astype(np.float64))
            # The largest component of each axis is made positive.
            largest = np.abs(found.components_).argmax(axis=1)
            signs = np.where(found.components_[np.arange(PLANE), largest] < 0, -1.0, 1.0)
            centre, axes = found.mean_, found.components_ * signs[:, None]
            spread = np.sqrt(found.explained_variance_)
            explained = float(np.nan_to_num(found.explained_variance_ratio_).sum())
        return cls(
            centre=centre.astype(np.float32),
            axes=axes.astype(np.float32),
            spread=spread.astype(np.float32),
            explained=explained,
            whole=latents == PLANE,
        )

    def project(self, latents: Float32) -> Float32:
        """Latents float32 [N, L] → points float32 [N, 2]."""
        return np.asarray((latents - self.centre) @ self.axes.T, np.float32)

    def lift(self, points: Float32) -> Float32:
        """Points float32 [M, 2] → latents float32 [M, L]; what is off the plane is the centre's."""
        return np.asarray(self.centre + points @ self.axes, np.float32)

    def principal_grid(self, side: int, *, reach: float) -> Float32:
        """Points float32 [side², 2]: up to ``reach`` standard deviations along both axes."""
        steps = np.linspace(-reach, reach, side, dtype=np.float32)
        return _grid(steps * self.spread[0], steps * self.spread[1])


def box(points: Float32) -> tuple[Float32, Float32]:
    """Lowest and highest coordinates of points [N, 2], each float32 [2]."""
    return points.min(axis=0), points.max(axis=0)


def box_grid(points: Float32, side: int) -> Float32:
    """Even steps over the bounding box of ``points`` [N, 2], float32 [side², 2]."""
    low, high = box(points)
    return _grid(
        np.linspace(low[0], high[0], side, dtype=np.float32),
        np.linspace(low[1], high[1], side, dtype=np.float32),
    )


def quantile_grid(side: int) -> Float32:
    """Steps of equal probability under N(0, I), float32 [side², 2]: Φ⁻¹ of 0.01 to 0.99."""
    steps = ndtri(np.linspace(TAIL, 1.0 - TAIL, side)).astype(np.float32)
    return _grid(steps, steps)


def uniform_in_box(points: Float32, count: int, rng: np.random.Generator) -> Float32:
    """Points float32 [count, 2] drawn evenly from the bounding box of ``points`` [N, 2]."""
    low, high = box(points)
    return low + rng.random((count, PLANE), np.float32) * (high - low)


def normal_cdf(values: Float32) -> Float32:
    """Φ, the share of N(0, 1) below each value, float32 of the same shape in [0, 1]."""
    return np.asarray(ndtr(values), np.float32)


def _grid(right: Float32, up: Float32) -> Float32:
    y, x = np.meshgrid(up[::-1], right, indexing="ij")
    return np.stack((x.ravel(), y.ravel()), axis=1)

"""How far a figure would move with other test images: the bootstrap over images, in matrices.

figures per image [N] · weights [1 + draws, N] → one estimate and its draws [1 + draws] → interval

Row 0 of the weights counts every image once, each other row counts the images of one draw with
replacement. A figure is computed from weighted means alone, so that all draws are one product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

DRAWS = 1000
COVERED = 0.95
DIGITS = 12


@dataclass(frozen=True)
class Estimate:
    """A figure and the interval that holds `COVERED` of its draws."""

    value: float
    low: float
    high: float


def image_weights(count: int, draws: int, rng: np.random.Generator) -> Float64:
    """Weights float64 [1 + draws, count], every row adding up to 1 (or to 0 without images)."""
    if not count:
        return np.zeros((1 + draws, 0))
    drawn = rng.multinomial(count, np.full(count, 1.0 / count), size=draws)
    return np.concatenate((np.ones((1, count)), drawn.astype(np.float64))) / count


def only(weights: Float64, chosen: NDArray[np.bool_]) -> Float64:
    """The weights [1 + draws, N] of the images ``chosen`` bool [N], adding up to 1 again."""
    kept = weights * chosen
    return divided(kept, np.broadcast_to(kept.sum(axis=1, keepdims=True), kept.shape))


def weighted_share(weights: Float64, chosen: NDArray[np.bool_], of: NDArray[np.bool_]) -> Float64:
    """Share of the images ``of`` that are also ``chosen``, float64 [1 + draws]; 0 of none is 0.

    Args:
        weights: float64 [1 + draws, N].
        chosen: bool [N].
        of: bool [N].
    """
    return divided(weights @ (chosen & of), weights @ of)


def divided(above: Float64, below: Float64) -> Float64:
    """``above / below``, 0 where there is nothing to divide by."""
    safe = np.where(below == 0.0, 1.0, below)
    return np.where(below == 0.0, 0.0, above / safe)


def estimate(draws: Float64) -> Estimate:
    """The estimate in row 0 of float64 [1 + draws], with the interval of the others."""
    low = high = draws[0]
    if len(draws) > 1:
        tail = 50.0 * (1.0 - COVERED)
        low, high = np.percentile(draws[1:], (tail, 100.0 - tail))
    # Weights add up to 1 but for their last bits; a share of all is 1.
    return Estimate(*(round(float(figure), DIGITS) for figure in (draws[0], low, high)))

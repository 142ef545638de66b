"""Pixel scaling: the one definition of how uint8 grey levels and unit floats correspond."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREY_LEVELS = 255


def to_unit(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 grey levels of any shape → float32 in [0, 1]."""
    return pixels.astype(np.float32) * np.float32(1 / GREY_LEVELS)


def to_grey_levels(unit: NDArray[np.float32]) -> NDArray[np.uint8]:
    """float32 of any shape → uint8: clipped to [0, 1], rounded half to even."""
    levels: NDArray[np.uint8] = np.rint(np.clip(unit, 0.0, 1.0) * np.float32(GREY_LEVELS)).astype(
        np.uint8
    )
    return levels

"""What a shift changes, put onto the caller's own picture at its own size.

    D(z), D(z + v) uint8 [H, W, C] → their difference → resized to where the model saw the picture
    → added to the picture uint8 [h, w, c]

Knows no model: the placement says where it looked, whatever the crop rule was.

1. Pixels of which the model saw nothing keep their bits, and so does the whole picture when the
   difference is zero.
2. Alpha keeps its bits everywhere; a grey picture stays grey and takes the difference's luma.
3. Where the picture goes on beyond what the model saw, the difference fades out towards that edge:
   a decoder's faint clouds would end in a line there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bundle.geometry import Placement

    Pixels = NDArray[np.uint8]
    Float32 = NDArray[np.float32]

_ROWS_AT_ONCE = 256
"""Rows of the picture that are worked on at once: a large one needs little more memory."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601, by which colour becomes grey on the way in, too."""
_FADE = 8
"""The difference fades out over one part in so many of the window's side."""


def overlay(picture: Pixels, before: Pixels, after: Pixels, where: Placement) -> Pixels:
    """The picture with the difference from ``before`` to ``after`` added.

    Args:
        picture: uint8 [h, w, c]; c is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).
        before: uint8 [H, W, C], the model's picture of it; C is 1 or 3.
        after: uint8 [H, W, C], the same, shifted.
        where: Where the model saw the picture: `bundle.geometry.placement` of its size.

    Returns:
        uint8 [h, w, c], not sharing memory with the picture.
    """
    result = picture.copy()
    difference = after.astype(np.float32) - before
    if not difference.any():
        return result
    grey = picture.shape[2] <= 2  # noqa: PLR2004 - grey, or grey and alpha
    if grey and difference.shape[2] > 1:
        difference = (difference @ _LUMA)[:, :, None]
    height, width, _ = picture.shape
    columns = _axis(width, where.box[0], where.box[2], where.offset[0], where.size[0])
    rows = _axis(height, where.box[1], where.box[3], where.offset[1], where.size[1])
    planes = _planes(difference, rows, columns)
    for first in range(rows.first, rows.stop, _ROWS_AT_ONCE):
        stop = min(first + _ROWS_AT_ONCE, rows.stop)
        box = (columns.at(columns.first), rows.at(first), columns.at(columns.stop), rows.at(stop))
        size = (columns.stop - columns.first, stop - first)
        # Bilinear shows the model's pixels as facets, Lanczos draws a light fringe around frames.
        resized = (plane.resize(size, Image.Resampling.BICUBIC, box) for plane in planes)
        change = np.dstack([np.asarray(plane) for plane in resized])
        part = result[first:stop, columns.first : columns.stop, : 1 if grey else 3]
        part[:] = np.rint(np.clip(part + change, 0, 255))
    return result


class _Axis(NamedTuple):
    """One axis of the window.

    Attributes:
        first: The first pixel of the picture of which the model saw a part.
        stop: The pixel after the last of them.
        model: The model's pixels that show the picture.
        weights: float32, one for each of these: how much of the difference is taken.
        margin: Model pixels added on either side.
        low: Where what the model saw begins, in pixels of the picture.
        scale: Model pixels for one pixel of the picture.
    """

    first: int
    stop: int
    model: slice
    weights: Float32
    margin: int
    low: float
    scale: float

    def at(self, pixel: int) -> float:
        """Where the picture's pixel begins among the model's, margin included."""
        return (pixel - self.low) * self.scale + self.margin


def _axis(length: int, low: float, high: float, offset: int, size: int) -> _Axis:
    first, stop = math.floor(low), math.ceil(high)
    scale = size / (high - low)
    ramp = np.minimum(np.arange(size, dtype=np.float32) / max(1, size // _FADE), 1)
    smooth = ramp**2 * (3 - 2 * ramp)
    weights = np.ones(size, np.float32)
    if first > 0:
        weights *= smooth
    if stop < length:
        weights *= smooth[::-1]
    model = slice(offset, offset + size)
    return _Axis(first, stop, model, weights, math.ceil(scale), low, scale)


def _planes(difference: Float32, rows: _Axis, columns: _Axis) -> list[Image.Image]:
    seen = difference[rows.model, columns.model] * rows.weights[:, None, None]
    seen *= columns.weights[:, None]
    # Beyond its edge the difference goes on as it was there: the outermost pixels of the window may
    # lie partly outside of what the model saw.
    seen = np.pad(seen, ((rows.margin,) * 2, (columns.margin,) * 2, (0, 0)), mode="edge")
    return [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(seen, 2, 0)]

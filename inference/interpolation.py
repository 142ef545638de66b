"""The way from one latent to another, in even steps.

    two latents [2, L], steps, path → points [steps, L]

Knows no graph and no image.

1. The first and the last point have the ends' own bits.
2. ``linear`` is the straight line.
3. ``spherical`` turns the direction evenly along the great circle (Shoemake, "Animating rotation
   with quaternion curves", 1985), while the length goes evenly from one end's to the other's:
   points between two typical latents are as long as typical latents, which those of the straight
   line are not.
4. Where no great circle is defined, the straight line stands in: an end of length zero has no
   direction, and two opposite ends lie on every great circle through either. For parallel ends
   both paths are the same.
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from inference.errors import InvalidRequest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    Float64 = NDArray[np.float64]

PathName = Literal["linear", "spherical"]
MIN_STEPS = 2
_SMALLEST_SINE = 1e-6
"""Below this sine of the angle, float32 ends do not say which great circle they lie on."""


def check_way(steps: int, path: PathName) -> None:
    """Refuse a way that cannot be gone.

    Raises:
        InvalidRequest: ``steps`` is no integer from 2, or there is no such path.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < MIN_STEPS:
        raise InvalidRequest(
            f"steps is {reprlib.repr(steps)}, but must be an integer from {MIN_STEPS}: both ends "
            "count"
        )
    if path not in get_args(PathName):
        raise InvalidRequest(
            f"path is {reprlib.repr(path)}; choose {' or '.join(get_args(PathName))}"
        )


def between(ends: Float32, steps: int, path: PathName) -> Float32:
    """Points on the way between two latents.

    Args:
        ends: float32 [2, L].
        steps: How many points, both ends included; at least 2.
        path: See the module's head.

    Returns:
        float32 [steps, L].
    """
    share = np.linspace(0, 1, steps)[:, None]
    start, end = ends.astype(np.float64)
    points = (_spherical if path == "spherical" else _linear)(start, end, share)
    found = points.astype(np.float32)
    found[0], found[-1] = ends
    return found


def _linear(start: Float64, end: Float64, share: Float64) -> Float64:
    return (1 - share) * start + share * end


def _spherical(start: Float64, end: Float64, share: Float64) -> Float64:
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if min(lengths) == 0:
        return _linear(start, end, share)
    first, last = start / lengths[0], end / lengths[1]
    # By half sums, since the arc cosine of a product says nothing about small angles.
    angle = 2 * np.arctan2(np.linalg.norm(last - first), np.linalg.norm(last + first))
    if np.sin(angle) < _SMALLEST_SINE:
        return _linear(start, end, share)
    turned = (np.sin((1 - share) * angle) * first + np.sin(share * angle) * last) / np.sin(angle)
    points: Float64 = ((1 - share) * lengths[0] + share * lengths[1]) * turned
    return points

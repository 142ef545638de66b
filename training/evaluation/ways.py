"""Ways between pairs of latents, many at once.

ends float32 [N, 2, L], steps → points float32 [N, steps, L], both ends included

1. ``linear`` is the straight line.
2. ``spherical`` turns evenly along the great circle (Shoemake 1985) while the length goes evenly
   too, as the server does; where the ends name no circle it is the straight line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

SMALLEST_SINE = 1e-6
"""Of the angle between the ends, below which they name no great circle."""


def linear(ends: Float32, steps: int) -> Float32:
    """The straight ways."""
    start, end = (ends[:, [side]].astype(np.float64) for side in (0, 1))
    share = np.linspace(0.0, 1.0, steps)[:, None]
    return np.asarray((1.0 - share) * start + share * end, np.float32)


def spherical(ends: Float32, steps: int) -> Float32:
    """The ways along great circles."""
    both = ends.astype(np.float64)
    lengths = np.linalg.norm(both, axis=2, keepdims=True)
    unit = both / np.where(lengths == 0.0, 1.0, lengths)
    apart, along = unit[:, 1] - unit[:, 0], unit[:, 1] + unit[:, 0]
    # By half sums, since the arc cosine of a product says nothing about small angles.
    angle = 2.0 * np.arctan2(*(np.linalg.norm(x, axis=1) for x in (apart, along)))[:, None, None]
    named = (np.sin(angle) >= SMALLEST_SINE) & (lengths > 0.0).all(axis=1, keepdims=True)
    angle = np.where(named, angle, 1.0)
    share = np.linspace(0.0, 1.0, steps)[:, None]
    turned = np.sin((1.0 - share) * angle) * unit[:, [0]] + np.sin(share * angle) * unit[:, [1]]
    length = (1.0 - share) * lengths[:, [0]] + share * lengths[:, [1]]
    points = length * turned / np.sin(angle)
    return np.where(named, points, linear(ends, steps)).astype(np.float32)

"""Ways from one latent to another, as the server goes them.

two latents [L], steps → latents [steps, L], both ends included
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_SMALLEST_SINE = 1e-6
"""Of the angle between the ends: below, they do not say which way round to go."""


def linear(start: Float32, end: Float32, steps: int) -> Float32:
    """The straight way, float32 [steps, L]."""
    share = np.linspace(0.0, 1.0, steps)[:, None]
    return ((1.0 - share) * start + share * end).astype(np.float32)


def spherical(start: Float32, end: Float32, steps: int) -> Float32:
    """The way that turns evenly while its length goes evenly too, float32 [steps, L].

    Along the great circle between the directions of both ends (Shoemake 1985), so that points
    on the way are as long as its ends; those of the straight way are shorter. Ends on one line
    with the origin have no such circle: then the way is straight.
    """
    lengths = np.linalg.norm((start, end), axis=1).astype(np.float64)
    if lengths.min() == 0.0:
        return linear(start, end, steps)
    first, last = (np.stack((start, end)) / lengths[:, None]).astype(np.float64)
    # By half sums, since the arc cosine of a product says nothing about small angles.
    angle = 2.0 * np.arctan2(np.linalg.norm(last - first), np.linalg.norm(last + first))
    if np.sin(angle) < _SMALLEST_SINE:
        return linear(start, end, steps)
    share = np.linspace(0.0, 1.0, steps)[:, None]
    turned = (np.sin((1.0 - share) * angle) * first + np.sin(share * angle) * last) / np.sin(angle)
    way = ((1.0 - share) * lengths[0] + share * lengths[1]) * turned
    return np.asarray(way, np.float32)

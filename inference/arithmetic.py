"""Sums and differences of groups of latents: "these, without those, with these".

    groups to add, groups to subtract, each [K, L] → Σ mean of added − Σ mean of subtracted → [1, L]

Knows no graph and no image.

1. Each group counts as its mean, however many latents it has.
2. Added element by element in double precision and without BLAS: the bits depend on the groups and
   their order alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]


def combine(add: Iterable[Float32], subtract: Iterable[Float32]) -> Float32:
    """The latent that the groups come to.

    Args:
        add: At least one group, each float32 [K, L] with K at least 1.
        subtract: The same, or none.

    Returns:
        float32 [1, L].
    """
    total = sum(_mean(group) for group in add) - sum(_mean(group) for group in subtract)
    return np.asarray(total, np.float32)[None]


def _mean(group: Float32) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = group.mean(axis=0, dtype=np.float64)
    return mean

"""The random numbers of a request: all from its own seed, never from shared state.

    seed → two Philox streams → uniform [N], normal [N, L]

Knows nothing of priors, images or batches.

1. The same seed gives the same numbers in any process, alone or under load.
2. Rows are drawn in order: the first rows of a larger n are those of a smaller n.
"""

from __future__ import annotations

import reprlib
import secrets
from typing import TYPE_CHECKING

import numpy as np

from inference.errors import InvalidRequest

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED_LIMIT = 2**63
"""Seeds are below this, so that one fits a signed 64-bit integer on every wire."""

_UNIFORM_STREAM, _NORMAL_STREAM = 0, 1


def resolve_seed(seed: int | None) -> int:
    """The seed of a request: the caller's, or a fresh one when there is none.

    Raises:
        InvalidRequest: The seed is no integer from 0 to 2**63 - 1.
    """
    if seed is None:
        return secrets.randbelow(SEED_LIMIT)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEED_LIMIT:
        raise InvalidRequest(
            f"seed is {reprlib.repr(seed)}, but must be an integer from 0 to {SEED_LIMIT - 1}; "
            "leave it out for a random one"
        )
    return seed


def draw(seed: int, rows: int, dimension: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Random numbers for ``rows`` samples of ``dimension`` latents.

    Returns:
        uniform float64 [N] in [0, 1) and normal float32 [N, L]; row i depends on the seed, i and
        L alone.
    """
    uniform = _stream(seed, _UNIFORM_STREAM).random(rows)
    normal = _stream(seed, _NORMAL_STREAM).standard_normal((rows, dimension), dtype=np.float32)
    return uniform, normal


def _stream(seed: int, stream: int) -> np.random.Generator:
    # The key, not a SeedSequence: two 64-bit words keep every (seed, stream) apart by construction.
    return np.random.Generator(np.random.Philox(key=np.array([seed, stream], np.uint64)))

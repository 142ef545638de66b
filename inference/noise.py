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


class Noise:
    """The random numbers of one seed, in order: each `take` goes on where the last one ended."""

    def __init__(self, seed: int, dimension: int) -> None:
        """Begin with row 0, of ``dimension`` latents."""
        self._dimension = dimension
        self._uniform = _stream(seed, _UNIFORM_STREAM)
        self._normal = _stream(seed, _NORMAL_STREAM)

    def take(self, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """The next ``rows`` rows, as `draw` gives them."""
        uniform = self._uniform.random(rows)
        return uniform, self._normal.standard_normal((rows, self._dimension), dtype=np.float32)


def draw(seed: int, rows: int, dimension: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Random numbers for ``rows`` samples of ``dimension`` latents.

    Returns:
        uniform float64 [N] in [0, 1) and normal float32 [N, L]; row i depends on the seed, i and
        L alone.
    """
    return Noise(seed, dimension).take(rows)


def _stream(seed: int, stream: int) -> np.random.Generator:
    # The key, not a SeedSequence: two 64-bit words keep every (seed, stream) apart by construction.
    return np.random.Generator(np.random.Philox(key=np.array([seed, stream], np.uint64)))

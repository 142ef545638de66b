"""Latents drawn from a bundle's prior: the source of ``sample``.

seed, count → `inference.sampling` → Item(key = its number, content = latent [L])

1. Latent i depends on seed, temperature, prior and i alone: it is what a server draws as the i-th
   of a request with that seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch.errors import BatchError
from batch.items import Item
from batch.sources.source import Forward

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from batch.sources.source import Takes

_AT_ONCE = 1024


class DrawnSource:
    """So many latents of one seed.

    Args:
        count: How many.
        stream: Makes a function that gives the next n latents [n, L] at each call
            (a partial of `inference.sampling.Priors.stream`).

    Raises:
        BatchError: ``count`` is less than 1.
    """

    kind = "prior"
    takes: Takes = "latents"
    why_empty = "ask for at least one"

    def __init__(
        self, count: int, stream: Callable[[], Callable[[int], NDArray[np.float32]]]
    ) -> None:
        """Nothing is drawn yet."""
        if count < 1:
            raise BatchError(f"{count} images cannot be drawn; ask for at least one")
        self.name = f"a draw of {count}"
        self._count = count
        self._stream = stream
        self._cursor = Forward(self._drawn)

    def entries(self) -> Iterator[tuple[str, str]]:
        """Numbers; they have no stamp."""
        for number in range(self._count):
            yield _key(number), ""

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Latents; what lies before them is drawn and dropped."""
        for number, latent in self._cursor.take(start, min(stop, self._count)):
            yield Item(number, _key(number), "", latent)

    def reaches(self, folder: Path) -> bool:  # noqa: ARG002 - as every source
        """No folder is walked."""
        return False

    def notes(self) -> Sequence[str]:
        """Nothing is passed over."""
        return ()

    def _drawn(self) -> Iterator[NDArray[np.float32]]:
        more = self._stream()
        while True:
            yield from more(_AT_ONCE)


def _key(number: int) -> str:
    return f"{number:09d}"

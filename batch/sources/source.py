"""What every source is: items in a fixed order, and a cursor over what can only be read onwards."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from batch.items import Item

T = TypeVar("T")
Takes = Literal["images", "latents"]


class Source(Protocol):
    """Items in a fixed order."""

    @property
    def kind(self) -> str:
        """What it is: ``files``, ``parquet COLUMN``, ``csv COLUMN`` or ``prior``."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def why_empty(self) -> str:
        """What to do if it has no item."""

    @property
    def takes(self) -> Takes:
        """What its items are."""

    def entries(self) -> Iterator[tuple[str, str]]:
        """Key and stamp of every item in order; nothing is decoded."""

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """The items from number ``start`` to before ``stop``, or as many of them as there are."""

    def reaches(self, folder: Path) -> bool:
        """Whether files in ``folder``, an absolute path, would be items of it."""

    def notes(self) -> Sequence[str]:
        """What was passed over, once all `entries` were read."""


class Forward(Generic[T]):
    """Ranges of something that can only be read from its beginning on.

    Args:
        begin: Gives a fresh iterator from the beginning.
    """

    def __init__(self, begin: Callable[[], Iterator[T]]) -> None:
        """Nothing is read yet."""
        self._begin = begin
        self._iterator: Iterator[T] | None = None
        self._position = 0

    def take(self, start: int, stop: int) -> Iterator[tuple[int, T]]:
        """Number and value of those from ``start`` to before ``stop``, as far as there are any."""
        if self._iterator is None or start < self._position:
            self._iterator, self._position = self._begin(), 0
        for _ in islice(self._iterator, start - self._position):
            pass
        self._position = start
        for value in islice(self._iterator, stop - start):
            self._position += 1
            yield self._position - 1, value

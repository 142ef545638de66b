"""Rows of an image array that are copied only when they are asked for.

    uint8 [M, H, W, C] in memory or mapped, places [N] → array-like [N, H, W, C] → batches

Knows no file: it chooses, and the array below (a mapping of one file for large sets) is read
where a batch wants it.

1. Nothing but the rows of an index is ever copied; a choice of a choice is one choice.
2. An index gives a plain uint8 array: one image for a number, rows for a slice or an array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGE_DIMENSIONS = 4


class Images(Protocol):
    """What a `Dataset` needs of its images: an array uint8 [N, H, W, C], or `LazyRows`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint8."""

    def __len__(self) -> int:
        """N."""

    def __getitem__(self, index: Any, /) -> Any:  # noqa: ANN401  (as numpy's own)
        """Rows by number, slice, integer array or boolean array."""


class LazyRows:
    """The rows of ``source`` at ``places``, in that order."""

    def __init__(self, source: NDArray[np.uint8], places: NDArray[np.intp]) -> None:
        """Keep both; nothing is copied.

        Raises:
            IndexError: A place lies outside ``source``.
        """
        if len(places) and not 0 <= places.min() <= places.max() < len(source):
            raise IndexError(
                f"places run from {places.min()} to {places.max()}, there are {len(source)} rows"
            )
        self._source, self._places = source, places

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return len(self._places), *self._source.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Uint8."""
        return self._source.dtype

    def __len__(self) -> int:
        """N."""
        return len(self._places)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:  # noqa: ANN401  (as numpy's own)
        """Rows by number, slice, integer array or boolean array, copied."""
        return np.asarray(self._source[self._places[index]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401  (numpy's own signature)
        """All rows at once: a copy of the whole choice, for small sets and tests."""
        if copy is False:
            raise ValueError("rows of a larger array cannot be given without a copy")
        return np.asarray(self[:], dtype)

    def take(self, places: NDArray[np.intp]) -> LazyRows:
        """A choice of these rows."""
        return LazyRows(self._source, self._places[places])


def take(images: Images, places: NDArray[np.intp]) -> Images:
    """The rows of ``images`` at ``places``, without a copy; all of them are ``images`` itself."""
    if len(places) == len(images) and np.array_equal(places, np.arange(len(images))):
        return images
    if isinstance(images, LazyRows):
        return images.take(places)
    return LazyRows(np.asarray(images), places)

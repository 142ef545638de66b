"""What a layout knows of a set before any picture is decoded.

    folder → Index(pictures, keys [N], labels bool [N, A], official parts int8 [N])

Pictures come from it one after the other, encoded still, so that a set of any size passes
through memory that does not grow with it.

1. Row i of keys, labels and parts belongs to picture i.
2. Pictures are read in the order that is asked for, ascending; one that cannot be fetched comes
   as `LostPicture`, and the next one follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

    from training.data.rows import Images


@dataclass(frozen=True)
class LostPicture:
    """Stands for a picture that cannot be fetched.

    Attributes:
        why: In plain words, for the report.
    """

    why: str


Picture = Path | bytes | NDArray[np.uint8] | LostPicture
"""An image file, the bytes of one, or pixels uint8 [h, w] or [h, w, c] of any size."""


class Pictures(Protocol):
    """N pictures somewhere."""

    def read(self, places: NDArray[np.intp]) -> Iterator[Picture]:
        """The pictures at ``places``, which ascend, one for each place."""

    def state(self, places: NDArray[np.intp]) -> Iterator[str]:
        """Lines that change when one of these pictures is changed: sizes and times of files."""


@dataclass(frozen=True)
class Index:
    """A set whose pictures are not decoded yet.

    Attributes:
        pictures: N of them.
        keys: N unique names.
        attributes: A names.
        labels: bool [N, A].
        layout: In words, what the folder was read as.
        parts: int8 [N] of official parts, `split.UNKNOWN` where one is not known; None if the
            keys tell.
        name: Of the set, where the layout tells it.
        licence: Of the set, where the layout tells it.
    """

    pictures: Pictures
    keys: tuple[str, ...]
    attributes: tuple[str, ...]
    labels: NDArray[np.bool_]
    layout: str
    parts: NDArray[np.int8] | None = None
    name: str = ""
    licence: str = ""


@dataclass(frozen=True)
class FilePictures:
    """One image file each."""

    files: tuple[Path, ...]

    def read(self, places: NDArray[np.intp]) -> Iterator[Path]:
        """Paths; the threads that decode them open them."""
        return (self.files[place] for place in places)

    def state(self, places: NDArray[np.intp]) -> Iterator[str]:
        """Size and time of each file."""
        return (file_state(self.files[place]) for place in places)


@dataclass(frozen=True)
class ArrayPictures:
    """Rows of one array uint8 [N, h, w] or [N, h, w, c], which came from ``files``."""

    images: Images
    files: tuple[Path, ...]

    def read(self, places: NDArray[np.intp]) -> Iterator[NDArray[np.uint8]]:
        """One row after the other."""
        return (self.images[place] for place in places)

    def state(self, places: NDArray[np.intp]) -> Iterator[str]:
        """Size and time of the files, and which rows."""
        yield from map(file_state, self.files)
        yield ",".join(map(str, places))


def file_state(path: Path) -> str:
    """Path, size in bytes and time of the last change; says so where there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return f"{path} is missing"
    return f"{path} {found.st_size} {found.st_mtime_ns}"

"""Image files of a folder tree or a pattern.

folder → walk → files whose name ends like an image's → Item(key = path below the folder)

A pattern takes every file that it fits, whatever its name ends in.
"""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from batch.errors import BatchError
from batch.items import Item
from batch.sources.globs import matches, may_lead, walks_into
from batch.sources.source import Forward
from batch.sources.walk import Entry, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batch.sources.source import Takes

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp"))
"""What the files of formats that `inference.images` reads are called."""


def file_stamp(path: Path | str) -> str:
    """Changes when the file changes: size and time; ``-`` if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path for each of millions costs more than the call
    except (OSError, ValueError):
        return "-"
    return f"{found.st_size}:{found.st_mtime_ns}"


class FileSource:
    """The image files below a folder.

    Args:
        root: The folder.
        name: What messages call it.
        pattern: Of keys; None takes every name that ends like an image's.

    Raises:
        BatchError: The folder cannot be listed.
    """

    kind = "files"
    takes: Takes = "images"

    def __init__(self, root: Path, name: str, *, pattern: str | None = None) -> None:
        """Nothing is listed yet."""
        try:
            os.scandir(root).close()
        except OSError as error:
            raise BatchError(f"the folder {root} cannot be listed: {error.strerror}") from error
        self._root = root.absolute()
        self.name = name
        self._pattern = pattern
        self._passed: Counter[str] = Counter()
        self._cursor = Forward(self._chosen)

    @property
    def why_empty(self) -> str:
        """Which names are taken."""
        if self._pattern is not None:
            return "no file below it fits the pattern (hidden ones are passed)"
        passed = f"; {self.notes()[0]}" if self._passed else ""
        return f"no file below it ends in {', '.join(sorted(IMAGE_SUFFIXES))}{passed}"

    def entries(self) -> Iterator[tuple[str, str]]:
        """Path below the folder, size and time of each file."""
        self._passed.clear()
        for entry in self._chosen(count=True):
            yield entry.key, _stamp(entry)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """The files, not opened."""
        for number, entry in self._cursor.take(start, stop):
            yield Item(number, entry.key, _stamp(entry), entry.failure or Path(entry.path))

    def reaches(self, folder: Path) -> bool:
        """Whether the walk would come into ``folder``."""
        return walks_into(self._root, self._pattern or "**", folder)

    def notes(self) -> Sequence[str]:
        """Files of other kinds, counted by what their names end in."""
        if not self._passed:
            return ()
        kinds = ", ".join(f"{count} {end or 'without suffix'}" for end, count in self._top())
        return (f"passed over {self._passed.total()} files that are no images by name ({kinds})",)

    def _top(self) -> list[tuple[str, int]]:
        return sorted(self._passed.items(), key=lambda found: (-found[1], found[0]))[:5]

    def _chosen(self, *, count: bool = False) -> Iterator[Entry]:
        pattern = self._pattern
        if pattern is not None:
            for entry in walk(self._root, lambda folder: may_lead(folder, pattern)):
                if entry.failure is not None:
                    if may_lead(entry.key.rstrip("/"), pattern):
                        yield entry
                elif matches(entry.key, pattern):
                    yield entry
            return
        for entry in walk(self._root):
            end = posixpath.splitext(entry.key)[1].lower()
            if entry.failure is not None or end in IMAGE_SUFFIXES:
                yield entry
            elif count:
                self._passed[end] += 1


def _stamp(entry: Entry) -> str:
    return "folder" if entry.failure is not None else file_stamp(entry.path)

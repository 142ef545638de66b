"""A CSV file with a column of paths to images.

row → path, relative to the CSV's folder → Item(key = another column, or the path as written)
"""

from __future__ import annotations

import csv
from itertools import islice
from typing import TYPE_CHECKING

from batch.errors import BatchError
from batch.items import Failure, Item
from batch.sources.files import file_stamp
from batch.sources.source import Forward

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from batch.sources.source import Takes

PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path")
KEY_COLUMNS = ("key", "id")
NO_PATH = Failure("invalid_request", "the row names no file; write its path")


class CsvSource:
    """The images that a CSV file names.

    Args:
        path: The file, UTF-8 with a line of column names.
        name: What messages call it.
        column: Of paths; by name if None.
        key: The column of keys; ``key`` or ``id`` if there is one, else the path.

    Raises:
        BatchError: The file cannot be read, or has no such column.
    """

    takes: Takes = "images"
    why_empty = "it has a line of column names and no row below it"

    def __init__(
        self, path: Path, name: str, *, column: str | None = None, key: str | None = None
    ) -> None:
        """Read the line of column names."""
        self.name = name
        self._path = path.absolute()
        self._folder = path.absolute().parent
        header = next(self._lines(), [])
        self._column = _find(header, column, PATH_COLUMNS, name, "--column")
        if self._column is None:
            raise BatchError(
                f"{name} has the columns {', '.join(header[:20]) or 'none'}, and none is called "
                f"{', '.join(PATH_COLUMNS)}; name the one of paths with --column"
            )
        self._key = _find(header, key, KEY_COLUMNS, name, "--key")
        self.kind = f"csv {header[self._column]}"
        self._cursor = Forward(self._rows)

    def entries(self) -> Iterator[tuple[str, str]]:
        """Key, and size and time of the named file."""
        for key, path in self._rows():
            yield key, "-" if path is None else file_stamp(path)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """The files, not opened."""
        for number, (key, path) in self._cursor.take(start, stop):
            stamp = "-" if path is None else file_stamp(path)
            yield Item(number, key, stamp, NO_PATH if path is None else path)

    def reaches(self, folder: Path) -> bool:  # noqa: ARG002 - as every source
        """No folder is walked."""
        return False

    def notes(self) -> Sequence[str]:
        """Nothing is passed over."""
        return ()

    def _rows(self) -> Iterator[tuple[str, Path | None]]:
        for number, row in enumerate(islice(self._lines(), 1, None)):
            text = _cell(row, self._column)
            key = text if self._key is None else _cell(row, self._key)
            yield key or f"row {number}", self._folder / text if text else None

    def _lines(self) -> Iterator[list[str]]:
        try:
            # utf-8-sig: spreadsheets begin a file with a mark.
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                for row in csv.reader(file):
                    if row:
                        yield row
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise BatchError(f"{self.name} cannot be read as CSV in UTF-8: {error}") from error


def _find(
    header: Sequence[str], wanted: str | None, usual: Sequence[str], name: str, flag: str
) -> int | None:
    if wanted is None:
        return next((header.index(title) for title in usual if title in header), None)
    if wanted not in header:
        raise BatchError(f"{name} has no column {wanted!r} ({flag}); it has {', '.join(header)}")
    return header.index(wanted)


def _cell(row: Sequence[str], column: int | None) -> str:
    return row[column].strip() if column is not None and column < len(row) else ""

"""Tables of attributes: names of images, and for each whether it has each attribute.

    rows of cells → codes uint8 [N, A] → columns and rows checked → keys, labels bool [N, A]

Knows no images and one file format, CSV; others bring their rows to `TableBuilder`. A row or a
column that cannot be understood is counted and left out. A cell takes one byte, however it is
written, so that a table of a million rows stays small.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.data.dataset import DataError, attribute_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from numpy.typing import NDArray

    from training.data.report import ProblemLog

FALSE, TRUE, UNKNOWN = 0, 1, 2
"""What a cell says, as a byte."""

KEY_COLUMNS = ("file_name", "filename", "file", "key", "image_id")
"""Columns that may name the image of a row; the first that a table has does."""

BAD_CELL = "row with a cell that is neither true nor false"
BAD_COLUMN = "column that is not an attribute of true and false"
SHORT_ROW = "row of the wrong length"
DUPLICATE = "name that is there twice (the first is kept)"
UNREADABLE = "rest of a table that cannot be read"

MAX_LINE = 1 << 20
"""Characters; a longer line is no row of a table."""


class _Codes(dict[str, int]):
    """Cell → code; how a cell is spelt in upper and lower case does not matter."""

    def __missing__(self, cell: str) -> int:
        return self.get(cell.strip().lower(), UNKNOWN)


CODES = _Codes(
    {
        **dict.fromkeys(("1", "1.0", "true", "yes"), TRUE),
        **dict.fromkeys(("0", "0.0", "-1", "-1.0", "false", "no"), FALSE),
    }
)


@dataclass(frozen=True)
class Table:
    """Names and what is known of them.

    Attributes:
        keys: N unique names, as they stand in the file.
        places: The row of the file that each name stood in, the first after the header is 0;
            rows that were left out leave a gap.
        attributes: A names.
        labels: bool [N, A].
    """

    keys: tuple[str, ...]
    places: tuple[int, ...]
    attributes: tuple[str, ...]
    labels: NDArray[np.bool_]


class TableBuilder:
    """Takes rows one by one, keeps a byte for each cell, and makes a `Table` of them."""

    def __init__(self, titles: Sequence[str], log: ProblemLog) -> None:
        """A table with the columns ``titles``, the one of names not among them."""
        self._titles, self._log = titles, log
        self._rows: dict[str, int] = {}
        self._codes = bytearray()

    def add(self, place: int, key: str, cells: Iterable[str]) -> None:
        """Take the row at ``place``: one cell for each column."""
        if key in self._rows:
            self._log.add(DUPLICATE, key)
            return
        self._rows[key] = place
        self._codes += bytes(map(CODES.__getitem__, cells))

    def table(self) -> Table:
        """What was taken, without bad columns and rows."""
        shape = (len(self._rows), len(self._titles))
        codes = np.frombuffer(self._codes, np.uint8).reshape(shape)
        keys, places = tuple(self._rows), tuple(self._rows.values())
        return table_of(keys, places, self._titles, codes, self._log)


def table_of(
    keys: Sequence[str],
    places: Sequence[int],
    titles: Sequence[str],
    codes: NDArray[np.uint8],
    log: ProblemLog,
) -> Table:
    """The table of unique ``keys`` with ``codes`` uint8 [N, columns], bad columns and rows out."""
    columns = _attribute_columns(titles, codes, log)
    codes = codes[:, list(columns.values())]
    good = (codes != UNKNOWN).all(axis=1)
    for row in np.flatnonzero(~good).tolist():
        log.add(BAD_CELL, keys[row])
    rows = np.flatnonzero(good).tolist()
    return Table(
        tuple(keys[row] for row in rows),
        tuple(places[row] for row in rows),
        tuple(columns),
        codes[rows] == TRUE,
    )


def read_table(path: Path, key_columns: Sequence[str], log: ProblemLog) -> Table:
    """Read the CSV file ``path``; the first of ``key_columns`` that it has holds the names.

    Raises:
        DataError: The file is not text, or has none of the columns.
    """
    try:
        with open_text(path) as file:
            lines = csv.reader(line.replace("\0", "") for line in file)
            header = [cell.strip() for cell in next(lines, [])]
            place = key_column(path, header, key_columns)
            rows = TableBuilder(header[:place] + header[place + 1 :], log)
            for number, row in enumerate(row for row in _tolerant(lines, path, log) if row):
                if len(row) != len(header) or not row[place].strip():
                    said = f"row {number + 1}: {len(row)} cells, the header has {len(header)}"
                    log.add(SHORT_ROW, said)
                else:
                    rows.add(number, row.pop(place).strip(), row)
    except (OSError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a CSV table: {error}") from error
    return rows.table()


def write_table(
    path: Path,
    key_column: str,
    keys: Iterable[str],
    attributes: Sequence[str],
    labels: NDArray[np.bool_],
) -> None:
    """Write a table that `read_table` gives back equal."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([key_column, *attributes])
        for key, row in zip(keys, labels.astype(int).tolist(), strict=True):
            writer.writerow([key, *row])


def open_text(path: Path) -> TextIO:
    """``path`` as text whose names stay usable as file names, UTF-8 or not."""
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def text_lines(file: TextIO, path: Path, log: ProblemLog) -> Iterator[str]:
    """The lines of ``file`` that hold something; one that never ends is counted, and the end."""
    while line := file.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            log.add(UNREADABLE, f"{path.name}: a line of more than {MAX_LINE} characters")
            return
        if line.strip():
            yield line


def key_column(path: Path, header: Sequence[str], key_columns: Sequence[str]) -> int:
    """The place in ``header`` of the first of ``key_columns`` that it has.

    Raises:
        DataError: It has none of them.
    """
    for name in key_columns:
        if name in header:
            return header.index(name)
    raise DataError(
        f"{path} has the columns {', '.join(header) or '(none)'}, but needs "
        f"{' or '.join(key_columns)}, which names the image of each row"
    )


def _tolerant(lines: Iterator[list[str]], path: Path, log: ProblemLog) -> Iterator[list[str]]:
    try:
        yield from lines
    except csv.Error as error:
        log.add(UNREADABLE, f"{path.name}: {error}")


def _attribute_columns(
    titles: Sequence[str], codes: NDArray[np.uint8], log: ProblemLog
) -> dict[str, int]:
    """Attribute name → column, for columns whose cells are mostly true or false."""
    known = (codes != UNKNOWN).sum(axis=0)
    columns: dict[str, int] = {}
    for column, title in enumerate(titles):
        name = attribute_name(title)
        if not name or name in columns or 2 * known[column] < len(codes):
            log.add(BAD_COLUMN, title or f"column {column + 1}")
        else:
            columns[name] = column
    return columns

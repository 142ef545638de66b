"""Tables of attributes: a CSV file with one column of names and one of 0 and 1 per attribute.

    metadata.csv → header checked → rows checked → keys [N], attributes [A], labels bool [N, A]

Knows no images. A row or a column that cannot be understood is counted and left out.
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

    from numpy.typing import NDArray

    from training.data.report import ProblemLog

TRUTH = {
    **dict.fromkeys(("1", "1.0", "true", "yes"), True),
    **dict.fromkeys(("0", "0.0", "-1", "-1.0", "false", "no"), False),
}
"""Cells that say whether an item has an attribute, in lower case."""

BAD_CELL = "row with a cell that is neither true nor false"
BAD_COLUMN = "column that is not an attribute of true and false"
SHORT_ROW = "row of the wrong length"
DUPLICATE = "name that is there twice (the first is kept)"
UNREADABLE = "rest of a table that cannot be read"


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


def read_table(path: Path, key_columns: Sequence[str], log: ProblemLog) -> Table:
    """Read the CSV file ``path``; the first of ``key_columns`` that it has holds the names.

    Raises:
        DataError: The file is not text, or has none of the columns.
    """
    try:
        # "surrogateescape" keeps names that are not UTF-8 usable as file names.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = csv.reader(line.replace("\0", "") for line in file)
            header = [cell.strip() for cell in next(lines, [])]
            key_column = next((name for name in key_columns if name in header), None)
            if key_column is None:
                raise DataError(
                    f"{path} has the columns {', '.join(header) or '(none)'}, but needs "
                    f"{' or '.join(key_columns)}, which names the image of each row"
                )
            place = header.index(key_column)
            rows = list(_named_rows(_tolerant(lines, path, log), len(header), place, log))
    except (OSError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a CSV table: {error}") from error
    columns = _boolean_columns(header, place, [row for _, row in rows], log)
    keys, places, labels = [], [], []
    for number, row in rows:
        cells = [TRUTH.get(row[column].strip().lower()) for column in columns.values()]
        if None in cells:
            log.add(BAD_CELL, row[place])
            continue
        keys.append(row[place])
        places.append(number)
        labels.append(cells)
    shape = (len(keys), len(columns))
    return Table(
        tuple(keys), tuple(places), tuple(columns), np.array(labels, np.bool_).reshape(shape)
    )


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


def _tolerant(lines: Iterator[list[str]], path: Path, log: ProblemLog) -> Iterator[list[str]]:
    try:
        yield from lines
    except csv.Error as error:
        log.add(UNREADABLE, f"{path.name}: {error}")


def _named_rows(
    lines: Iterable[list[str]], width: int, place: int, log: ProblemLog
) -> Iterator[tuple[int, list[str]]]:
    seen: set[str] = set()
    for number, row in enumerate(row for row in lines if row):
        if len(row) != width or not row[place].strip():
            log.add(SHORT_ROW, f"row {number + 1}: {len(row)} cells, the header has {width}")
            continue
        row[place] = row[place].strip()
        if row[place] in seen:
            log.add(DUPLICATE, row[place])
            continue
        seen.add(row[place])
        yield number, row


def _boolean_columns(
    header: list[str], place: int, rows: list[list[str]], log: ProblemLog
) -> dict[str, int]:
    """Attribute name → column, for columns whose cells are mostly true or false."""
    columns: dict[str, int] = {}
    for column, title in enumerate(header):
        if column == place:
            continue
        good = sum(row[column].strip().lower() in TRUTH for row in rows)
        name = attribute_name(title)
        if not name or name in columns or 2 * good < len(rows):
            log.add(BAD_COLUMN, title or f"column {column + 1}")
        else:
            columns[name] = column
    return columns

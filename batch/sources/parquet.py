"""Parquet files with an image, the path of one, or a latent in each row.

    files → footers → row groups and their first rows; range of items → rows streamed → Item

1. Memory holds the footers' row counts and one small batch of rows.
2. A fault ends the row group that it is in: its rows become failures, the next group is read.
3. Reading on within a row group goes on; nothing is decoded twice where ranges ascend.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from batch.errors import BatchError
from batch.items import UNREADABLE_FILE, Content, Failure, Item
from batch.sources.columns import Column, find_column, find_key
from batch.sources.files import file_stamp
from batch.sources.globs import matches, walks_into
from batch.sources.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batch.sources.source import Takes

READ_BYTES = 4 << 20
READ_ROWS = 256
FAULTS = (pa.ArrowException, OSError, ValueError, KeyError)
"""What reading a damaged file raises."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group: of which file, which one, its first item's number, its first row, its rows."""

    file: int
    group: int
    first: int
    row: int
    rows: int


def open_parquet(
    root: Path,
    pattern: str,
    name: str,
    takes: Sequence[Takes],
    *,
    column: str | None,
    key: str | None,
) -> ParquetSource:
    """The files below ``root`` that ``pattern`` fits, as one source.

    Raises:
        BatchError: There is none, one cannot be read, or their columns differ.
    """
    found = [entry for entry in walk(root) if matches(entry.key, pattern)]
    if not found:
        raise BatchError(f"{name} fits no Parquet file")
    keys = [entry.key for entry in found]
    return ParquetSource(root, pattern, keys, name, takes, column=column, key=key)


class ParquetSource:
    """Rows of Parquet files.

    Args:
        root: The folder that keys and names are told from.
        pattern: What files were found by.
        files: Their paths below the folder, in order.
        name: What messages call it.
        takes: What the operation takes.
        column: The column to work on; by name and type if None.
        key: The column of keys; ``key`` if there is one, else file and row, or the path.
    """

    why_empty = "its files have no rows"

    def __init__(
        self,
        root: Path,
        pattern: str,
        files: Sequence[str],
        name: str,
        takes: Sequence[Takes],
        *,
        column: str | None = None,
        key: str | None = None,
    ) -> None:
        """Read the footers."""
        self.name = name
        self._root = root.absolute()
        self._pattern = pattern
        self._files = tuple(files)
        self._groups: list[_Group] = []
        chosen: tuple[Column, str | None] | None = None
        for number, file in enumerate(self._files):
            schema, counts = _footer(root / file)
            found = find_column(schema, takes, column, file), find_key(schema, key, file)
            if chosen not in {None, found}:
                raise BatchError(
                    f"the columns of {file} are not those of {self._files[0]}: {found} is not "
                    f"{chosen}; give them as jobs of their own, or name --column and --key"
                )
            chosen = found
            self._add(number, counts)
        assert chosen is not None  # noqa: S101 - `open_parquet` gives at least one file
        self._column, self._key = chosen
        self.kind = f"parquet {self._column.name}"
        self.takes = self._column.takes
        self._open: tuple[_Group, int, Iterator[tuple[str, Content]]] | None = None

    def entries(self) -> Iterator[tuple[str, str]]:
        """Key of each row; the stamp is that of its file, and of the image that it names."""
        stamp, file = "", -1
        for group in self._groups:
            if group.file != file:
                file, stamp = group.file, file_stamp(self._path(group))
            for key, content in self._rows(group, content=self._column.holds == "paths"):
                yield key, _stamp(stamp, content)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Rows, streamed."""
        for group in self._groups:
            if group.first + group.rows <= start or group.first >= stop:
                continue
            stamp = file_stamp(self._path(group))
            after = min(stop, group.first + group.rows)
            numbers = range(max(start, group.first), after)
            rows = self._from(group, numbers.start)
            # The rows may go on beyond this range; the next one takes them up.
            for number, (key, content) in zip(numbers, rows, strict=False):
                self._open = (group, number + 1, rows)
                yield Item(number, key, _stamp(stamp, content), content)

    def reaches(self, folder: Path) -> bool:
        """Whether the walk for files would come into ``folder``."""
        return walks_into(self._root, self._pattern, folder)

    def notes(self) -> Sequence[str]:
        """Nothing is passed over."""
        return ()

    def _add(self, file: int, counts: Sequence[int]) -> None:
        row = 0
        for group, rows in enumerate(counts):
            last = self._groups[-1] if self._groups else _Group(0, 0, 0, 0, 0)
            self._groups.append(_Group(file, group, last.first + last.rows, row, rows))
            row += rows

    def _path(self, group: _Group) -> Path:
        return self._root / self._files[group.file]

    def _from(self, group: _Group, number: int) -> Iterator[tuple[str, Content]]:
        """The rows of a group from item ``number`` on; those of the last call, if they go on."""
        place, rows = group.first, None
        if self._open is not None and self._open[0] == group and self._open[1] <= number:
            _, place, rows = self._open
        rows = self._rows(group, content=True) if rows is None else rows
        for _ in islice(rows, number - place):
            pass
        self._open = (group, number, rows)
        return rows

    def _rows(self, group: _Group, *, content: bool) -> Iterator[tuple[str, Content]]:
        """Key and content of each row of a group: as many as its footer says, whatever happens."""
        names = [name for name in (self._key, self._column.name if content else None) if name]
        given, why = 0, "the row group ends before it"
        try:
            for batch in self._batches(group, names):
                for row in range(min(len(batch), group.rows - given)):
                    cell = batch.column(self._column.name)[row] if content else None
                    told = batch.column(self._key)[row].as_py() if self._key else None
                    if cell is not None and self._key is None and self._column.holds == "paths":
                        told = cell.as_py()
                    key = self._numbered(group, given) if told is None else str(told)
                    yield key, b"" if cell is None else self._content(cell, group)
                    given += 1
        except FAULTS as error:
            why = " ".join(str(error).split())[:200]
        if given == group.rows:
            return
        file = self._files[group.file]
        lost = Failure(UNREADABLE_FILE, f"{file} is damaged here ({why}); write the file again")
        if content and self._key is not None:
            # The keys may be whole where the images are not; the listing has read them alone.
            for key, _ in islice(self._rows(group, content=False), given, None):
                yield key, lost
            return
        for row in range(given, group.rows):
            yield self._numbered(group, row), lost

    def _batches(self, group: _Group, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        if not names:
            yield pa.RecordBatch.from_arrays([pa.nulls(group.rows)], ["none"])
            return
        with parquet.ParquetFile(self._path(group), memory_map=True) as file:
            size = file.metadata.row_group(group.group).total_byte_size
            rows = max(1, min(READ_ROWS, READ_BYTES * group.rows // max(1, size)))
            yield from file.iter_batches(
                rows,
                row_groups=[group.group],
                columns=list(dict.fromkeys(names)),
                use_threads=False,
            )

    def _numbered(self, group: _Group, row: int) -> str:
        return f"{self._files[group.file]}/{group.row + row:06d}"

    def _content(self, cell: pa.Scalar, group: _Group) -> Content:
        if self._column.holds == "latents":
            if not cell.is_valid:
                return _nothing(self._column)
            return np.asarray(cell.values.to_numpy(zero_copy_only=False))
        found = cell.as_py()
        if isinstance(found, dict):
            found = found.get("bytes")
        if not found:
            return _nothing(self._column)
        return found if isinstance(found, bytes) else self._path(group).parent / found


def _nothing(column: Column) -> Failure:
    return Failure("invalid_request", f"the row's {column.name} is empty; leave such rows out")


def _stamp(stamp: str, content: Content) -> str:
    return f"{stamp} {file_stamp(content)}" if isinstance(content, Path) else stamp


def _footer(path: Path) -> tuple[pa.Schema, list[int]]:
    """Schema, and rows of each row group.

    Raises:
        BatchError: It is no Parquet file, or is cut short.
    """
    try:
        with parquet.ParquetFile(path, memory_map=True) as file:
            facts = file.metadata
            counts = [facts.row_group(group).num_rows for group in range(facts.num_row_groups)]
            if min(counts, default=0) < 0:
                raise ValueError(f"its footer says {min(counts)} rows")
            return file.schema_arrow, counts
    except FAULTS as error:
        raise BatchError(
            f"{path} is no Parquet file that can be read ({error}); write it again or leave it out"
        ) from error

"""One Parquet file of images: where its pictures are, and what its other columns say.

    file → schema → image column, codes uint8 [N, columns]; rows → encoded pictures

Knows no set. Images are a column of bytes, or a struct with ``bytes``, as Hugging Face's
``datasets`` writes them.

1. Row groups are streamed from a mapping of the file: memory holds one batch of rows.
2. A fault ends the row group that it is in and no more; its rows come as `LostPicture`.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from training.data.index import LostPicture
from training.data.table import CODES, FALSE, TRUE, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

IMAGE_COLUMNS = ("image", "img", "picture", "photo")
CLASS_COLUMN = "label"
MAX_COLUMNS = 1000
"""Columns that are looked at; a set of images with more is none."""
BATCH_BYTES = 4 << 20
MAX_BATCH = 64

FAULTS = (pa.ArrowException, OSError, ValueError, KeyError)
"""What reading a damaged file raises."""


class ShardError(ValueError):
    """The file cannot be used; the message says why."""


@dataclass(frozen=True)
class Shard:
    """A Parquet file that can be opened and has a column of images.

    Attributes:
        path: The file.
        rows: How many it says it has.
        image: Its column of images, as the reader names it (``image.bytes``).
        columns: Its other columns that may say true or false.
        others: Those that cannot.
        classes: Names of the classes that `CLASS_COLUMN` numbers; empty if the file tells none,
            None if it has no such column.
    """

    path: Path
    rows: int
    image: str
    columns: tuple[str, ...]
    others: tuple[str, ...]
    classes: tuple[str, ...] | None

    @classmethod
    def open(cls, path: Path) -> Shard:
        """Read the footer of ``path``.

        Raises:
            ShardError: It is no Parquet file, is cut short, or has no column of images.
        """
        try:
            with parquet.ParquetFile(path, memory_map=True) as file:
                schema, facts = file.schema_arrow, file.metadata
                groups = [facts.row_group(group).num_rows for group in range(facts.num_row_groups)]
            rows, size = facts.num_rows, path.stat().st_size
        except FAULTS as error:
            raise ShardError(_one_line(error)) from error
        if len(schema) > MAX_COLUMNS:
            raise ShardError(f"{len(schema)} columns, the limit is {MAX_COLUMNS}")
        # An image takes more than a byte, so that a lying footer cannot ask for endless rows.
        if sum(groups) != rows or min(groups, default=0) < 0:
            raise ShardError(
                f"the footer says {rows} rows, its groups {groups[:5]}, in {size} bytes"
            )
        images = {field.name: _image_path(field) for field in schema if _image_path(field)}
        image = next((name for name in (*IMAGE_COLUMNS, *images) if name in images), None)
        if image is None:
            raise ShardError(
                f"no column of image bytes among {', '.join(schema.names[:10]) or 'none'}"
            )
        classes = _class_names(schema)
        known = {image} if classes is None else {image, CLASS_COLUMN}
        rest = {field.name: field.type for field in schema if field.name not in known}
        times = Counter(schema.names)
        flags = [name for name, kind in rest.items() if _may_be_true(kind) and times[name] == 1]
        return cls(
            path,
            rows,
            images[image],
            tuple(flags),
            tuple(name for name in rest if name not in flags),
            classes,
        )

    def codes(self, columns: Sequence[str]) -> NDArray[np.uint8]:
        """What each row says in each of ``columns``: codes uint8 [rows, columns].

        Raises:
            ShardError: The file cannot be read to its end.
        """
        codes = np.full((self.rows, len(columns)), UNKNOWN, np.uint8)
        for start, batch in self._batches(columns):
            for column, name in enumerate(columns):
                codes[start : start + len(batch), column] = _codes(batch.column(name))
        return codes

    def classes_of_rows(self) -> list[int | str | None]:
        """What each row says in `CLASS_COLUMN`, one of each row.

        Raises:
            ShardError: The file cannot be read to its end.
        """
        found: list[int | str | None] = []
        for _, batch in self._batches([CLASS_COLUMN]):
            found += batch.column(CLASS_COLUMN).to_pylist()
        return found

    def _batches(self, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        start = 0
        try:
            with parquet.ParquetFile(self.path, memory_map=True) as file:
                if columns:
                    for batch in file.iter_batches(columns=list(columns), use_threads=False):
                        yield start, batch
                        start += len(batch)
        except FAULTS as error:
            raise ShardError(_one_line(error)) from error
        if columns and start != self.rows:
            raise ShardError(f"the footer says {self.rows} rows, {start} are there")

    def pictures(self, rows: NDArray[np.intp]) -> Iterator[bytes | LostPicture]:
        """The encoded pictures of ``rows``, which ascend, one for each."""
        done = 0
        try:
            with parquet.ParquetFile(self.path, memory_map=True) as file:
                first = 0
                for group in range(file.num_row_groups):
                    after = first + file.metadata.row_group(group).num_rows
                    wanted = rows[done : np.searchsorted(rows, after)]
                    if len(wanted):
                        yield from self._group(file, group, wanted - first)
                        done += len(wanted)
                    first = after
        except FAULTS as error:
            yield from [LostPicture(_one_line(error))] * (len(rows) - done)
        else:
            yield from [LostPicture("the footer promises it")] * (len(rows) - done)

    def _group(
        self, file: parquet.ParquetFile, group: int, rows: NDArray[np.intp]
    ) -> Iterator[bytes | LostPicture]:
        facts = file.metadata.row_group(group)
        size = max(1, min(MAX_BATCH, BATCH_BYTES * facts.num_rows // max(1, facts.total_byte_size)))
        given = start = 0
        why = "the row group ends before it"
        try:
            for batch in file.iter_batches(
                size, row_groups=[group], columns=[self.image], use_threads=False
            ):
                wanted = rows[given : np.searchsorted(rows, start + len(batch))]
                for row in wanted:
                    given += 1
                    yield _picture(batch.column(0)[int(row) - start])
                start += len(batch)
        except FAULTS as error:
            why = _one_line(error)
        yield from [LostPicture(why)] * (len(rows) - given)


def _picture(cell: pa.Scalar) -> bytes | LostPicture:
    found = cell.as_py()
    content = found.get("bytes") if isinstance(found, dict) else found
    return content if isinstance(content, bytes) and content else LostPicture("no bytes in its row")


def _image_path(field: pa.Field) -> str:
    """How the reader names the bytes of an image column; empty if the column has none."""
    kind = field.type
    if _is_bytes(kind):
        return str(field.name)
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return f"{field.name}.bytes" if _is_bytes(kind.field("bytes").type) else ""
    return ""


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _may_be_true(kind: pa.DataType) -> bool:
    checks = (
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_dictionary,
    )
    return any(check(kind) for check in checks)


def _codes(column: pa.Array) -> NDArray[np.uint8]:
    """True and false, 1 and 0 or -1, or words for them → codes uint8 [N]."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        # Nulls become NaN, which is neither.
        numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        codes = np.full(len(numbers), UNKNOWN, np.uint8)
        codes[numbers == 1] = TRUE
        codes[(numbers == 0) | (numbers == -1)] = FALSE
        return codes
    return np.array([CODES[str(value)] for value in column.to_pylist()], np.uint8)


def _class_names(schema: pa.Schema) -> tuple[str, ...] | None:
    """Names of the classes in `CLASS_COLUMN`, if there is one of whole numbers or words."""
    index = schema.get_field_index(CLASS_COLUMN)
    if index < 0 or not _is_class(schema.field(index).type):
        return None
    try:
        said = json.loads((schema.metadata or {})[b"huggingface"])
        names = said["info"]["features"][CLASS_COLUMN]["names"]
        return tuple(str(name) for name in names)
    except (KeyError, ValueError, TypeError):
        return ()


def _is_class(kind: pa.DataType) -> bool:
    checks = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string)
    return any(check(kind) for check in checks)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

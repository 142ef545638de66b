"""Parquet files that are there whole or not at all.

    record batches → row groups of a hidden file → synced → renamed → folder synced

1. The final name appears by one rename, after every byte of the file is on the disk.
2. Memory holds one row group.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Self

import pyarrow as pa
from pyarrow import parquet

from batch.errors import cannot_write

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

GROUP_BYTES = 16 << 20
"""A row group is closed when it holds so much."""


class ShardFile:
    """One Parquet file in the making; a context that leaves nothing behind if it is not kept.

    Args:
        target: Its final name, in a folder that exists.
        schema: Of its rows.

    Raises:
        BatchError: The disk is full or may not be written; so do all methods.
    """

    def __init__(self, target: Path, schema: pa.Schema) -> None:
        """Begin a hidden file beside the target; what another process left there goes."""
        self._target = target
        self._hidden = target.with_name(f".{target.name}.part")
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._bytes = 0
        try:
            self._file = self._hidden.open("wb")
            self._writer = parquet.ParquetWriter(
                self._file, schema, compression="zstd", use_dictionary=_repeating(schema)
            )
        except OSError as error:
            raise cannot_write(target, error) from error

    def __enter__(self) -> Self:
        """The file itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was not kept."""
        if not self._file.closed:
            self.abandon()

    def add(self, rows: pa.RecordBatch) -> None:
        """More rows, in order."""
        self._waiting.append(rows)
        self._bytes += rows.nbytes
        if self._bytes >= GROUP_BYTES:
            try:
                self._flush()
            except OSError as error:
                raise cannot_write(self._target, error) from error

    def keep(self) -> None:
        """Finish the file and give it its name."""
        try:
            self._flush()
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._hidden.replace(self._target)
            _sync_folder(self._target.parent)
        except OSError as error:
            raise cannot_write(self._target, error) from error

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._writer.is_open = False  # what is thrown away needs no footer
        with contextlib.suppress(OSError):  # what could not be written is not wanted
            self._file.close()
        self._hidden.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table, row_group_size=max(1, len(table)))
        self._waiting, self._bytes = [], 0


def _repeating(schema: pa.Schema) -> list[str]:
    """Columns whose values may come again; a dictionary of latents costs much and saves nothing."""
    return [field.name for field in schema if pa.types.is_string(field.type)]


def write_whole(target: Path, content: bytes) -> None:
    """Write a small file that is there whole or not at all.

    Raises:
        BatchError: The disk is full or may not be written.
    """
    hidden = target.with_name(f".{target.name}.part")
    try:
        with hidden.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        hidden.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise cannot_write(target, error) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

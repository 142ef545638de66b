"""The table of what failed: gathered from the shards once all of them are there.

OUT/rows/*.parquet → rows with an error → OUT/errors.parquet: key, slug, message

Streams shard by shard; made again, it is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from batch.errors import BatchError
from batch.shard_file import ShardFile
from batch.shards import shard_name

if TYPE_CHECKING:
    from pathlib import Path

    from batch.shards import Plan

SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("key", "slug", "message")]
)
_COLUMNS = ["key", "error_slug", "error_message"]


def write_error_table(target: Path, rows: Path, plan: Plan) -> int:
    """Gather the failed items of all shards; gives how many there are.

    Raises:
        BatchError: A shard cannot be read, has not all its rows, or the table cannot be written.
    """
    count = 0
    with ShardFile(target, SCHEMA) as table:
        for shard in range(plan.shards):
            for batch in _failed_rows(rows / shard_name(shard), plan.rows(shard)):
                table.add(batch)
                count += len(batch)
        table.keep()
    return count


def count_failed_rows(shard: Path) -> int:
    """How many failed items a shard has."""
    table = parquet.read_table(shard, columns=["error_slug"])
    return int(table.num_rows - table["error_slug"].null_count)


def count_errors(target: Path) -> int:
    """How many failed items a finished job's table has."""
    return int(parquet.read_metadata(target).num_rows)


def _failed_rows(path: Path, rows: int) -> list[pa.RecordBatch]:
    try:
        with parquet.ParquetFile(path) as file:
            found = file.metadata.num_rows
            table = file.read(columns=_COLUMNS, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BatchError(
            f"{path} is damaged ({error}); remove it and run the same command again"
        ) from error
    if found != rows:
        raise BatchError(
            f"{path} has {found} rows and not {rows}; remove it and run the same command again"
        )
    failed = table.filter(pc.is_valid(table["error_slug"]))
    batches: list[pa.RecordBatch] = failed.rename_columns(SCHEMA.names).cast(SCHEMA).to_batches()
    return batches

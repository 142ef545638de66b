"""The rows of the output: one for each item, whether it has a result or not.

    items, Result, failures → pa.RecordBatch of `row_schema`

Knows no file but the names of those that rows point to.

1. Row i belongs to item i; a row has a result or an error, never both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from batch.items import Failure
    from batch.operations import Operation
    from bundle.manifest import Manifest

    Cells = Sequence[Any | Failure]


def row_schema(operation: Operation, manifest: Manifest, *, files: bool) -> pa.Schema:
    """The columns that an operation gives.

    Args:
        operation: What is done.
        manifest: The model's.
        files: Whether images lie in files, which the rows name, rather than in the rows.
    """
    vector = pa.list_(pa.field("element", pa.float32()), manifest.latent.dimension)
    columns = [pa.field("key", pa.string(), nullable=False)]
    if operation.gives_images:
        columns.append(pa.field("file", pa.string()) if files else pa.field("image", pa.binary()))
        columns.append(pa.field("latent", vector))
    else:
        columns.append(pa.field("mean", vector))
        if manifest.variational:
            columns.append(pa.field("logvar", vector))
    columns += [
        pa.field("model", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("error_slug", pa.string()),
        pa.field("error_message", pa.string()),
    ]
    return pa.schema(columns)


def make_rows(
    schema: pa.Schema,
    manifest: Manifest,
    keys: Sequence[str],
    failures: Sequence[Failure | None],
    columns: Mapping[str, NDArray[np.float32] | Sequence[Any]],
) -> pa.RecordBatch:
    """Rows of ``schema``.

    Args:
        schema: From `row_schema`.
        manifest: The model's.
        keys: Of N items.
        failures: Of each item its failure or None.
        columns: The results of the M items without failure, by column: float32 [M, L] or M values.
    """
    failed = np.array([failure is not None for failure in failures], np.bool_)
    count = len(keys)
    made = {
        "key": pa.array(keys, pa.string()),
        "model": pa.repeat(manifest.name, count),
        "version": pa.repeat(manifest.version, count),
        "error_slug": pa.array([each and each.slug for each in failures], pa.string()),
        "error_message": pa.array([each and each.message for each in failures], pa.string()),
    }
    for name, values in columns.items():
        made[name] = _spread(values, failed, schema.field(name).type)
    return pa.RecordBatch.from_arrays([made[name] for name in schema.names], schema=schema)


def _spread(
    values: NDArray[np.float32] | Sequence[Any], failed: NDArray[np.bool_], kind: pa.DataType
) -> pa.Array:
    """A column with nulls where items failed."""
    if isinstance(values, np.ndarray):
        table = np.zeros((len(failed), kind.list_size), np.float32)
        table[~failed] = values
        return pa.FixedSizeListArray.from_arrays(
            pa.array(table.reshape(-1)), type=kind, mask=pa.array(failed)
        )
    rest = iter(values)
    return pa.array([None if bad else next(rest) for bad in failed], kind)

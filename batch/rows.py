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
        "key": _column(keys, pa.string()),
        "model": _column([manifest.name] * count, pa.string()),
        "version": _column([manifest.version] * count, pa.string()),
        "error_slug": _column([each.slug if each else None for each in failures], pa.string()),
        "error_message": _column(
            [each.message if each else None for each in failures], pa.string()
        ),
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
        numbers = pa.Array.from_buffers(pa.float32(), table.size, [None, pa.py_buffer(table)])
        mask = pa.Array.from_buffers(pa.bool_(), len(failed), [None, _bits(failed)])
        return pa.FixedSizeListArray.from_arrays(numbers, type=kind, mask=mask)
    rest = iter(values)
    return _column([None if bad else next(rest) for bad in failed], kind)


def _column(values: Sequence[str | bytes | None], kind: pa.DataType) -> pa.Array:
    """Texts or bytes; by hand, since `pyarrow.array` imports pandas first, for half a second."""
    blobs = [value.encode() if isinstance(value, str) else value or b"" for value in values]
    offsets = np.cumsum([0, *map(len, blobs)], dtype=np.int32)
    there = np.array([value is not None for value in values], np.bool_)
    buffers = [_bits(there), pa.py_buffer(offsets), pa.py_buffer(b"".join(blobs))]
    return pa.Array.from_buffers(kind, len(values), buffers)


def _bits(flags: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))

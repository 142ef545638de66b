"""Which column of a Parquet file holds what: images, paths of images, latents, keys.

schema, what the operation takes → Column(name, holds)

Knows types and names; reads no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from batch.errors import BatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batch.sources.source import Takes

Holds = Literal["bytes", "paths", "latents"]
USUAL = {
    "bytes": ("image", "img", "picture", "photo"),
    "latents": ("latent", "mean", "latents"),
    "paths": ("path", "file", "filename", "file_name", "image_path", "image"),
}
KEY = "key"


@dataclass(frozen=True)
class Column:
    """The column that is worked on.

    Attributes:
        name: Its name.
        holds: What is in it.
    """

    name: str
    holds: Holds

    @property
    def takes(self) -> Takes:
        """What its items are for an operation."""
        return "latents" if self.holds == "latents" else "images"


def find_column(schema: pa.Schema, takes: Sequence[Takes], wanted: str | None, file: str) -> Column:
    """The column to work on.

    A named one is taken if its type suits. Else columns of images come first, then of latents, then
    of paths; within a kind a usual name, or the only column of that type. Text is taken for paths
    only if its name says so.

    Raises:
        BatchError: There is none, or the named one holds something else.
    """
    kinds = {field.name: _holds(field.type) for field in schema}
    listed = ", ".join(f"{field.name} ({field.type})" for field in list(schema)[:20]) or "none"
    if wanted is not None:
        kind = kinds.get(wanted)
        if kind is None or Column(wanted, kind).takes not in takes:
            raise BatchError(
                f"{file} has no column {wanted!r} of {' or '.join(takes)}; its columns: {listed}"
            )
        return Column(wanted, kind)
    order: tuple[Holds, ...] = ("bytes", "latents", "paths")
    for kind in order:
        names = [name for name, found in kinds.items() if found == kind]
        usual = [name for name in USUAL[kind] if name in names]
        column = Column((usual or names or [""])[0], kind)
        if column.takes in takes and (usual or (len(names) == 1 and kind != "paths")):
            return column
    raise BatchError(
        f"no column of {file} is known to hold {' or '.join(takes)}: name it with --column; its "
        f"columns: {listed}"
    )


def find_key(schema: pa.Schema, wanted: str | None, file: str) -> str | None:
    """The column of keys, if there is one.

    Raises:
        BatchError: The named one is not there, or is neither text nor whole numbers.
    """
    name = wanted or KEY
    index = schema.get_field_index(name)
    kind = schema.field(index).type if index >= 0 else None
    if kind is not None and (_is_text(kind) or pa.types.is_integer(kind)):
        return name
    if wanted is not None:
        raise BatchError(f"{file} has no column {wanted!r} of text or whole numbers (--key)")
    return None


def _holds(kind: pa.DataType) -> Holds | None:
    if _is_bytes(kind):
        return "bytes"
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return "bytes" if _is_bytes(kind.field("bytes").type) else None
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if any(check(kind) for check in lists):
        return "latents" if pa.types.is_floating(kind.value_type) else None
    return "paths" if _is_text(kind) else None


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

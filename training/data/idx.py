"""IDX, the format of MNIST and Fashion-MNIST: a header that says how much follows, then bytes.

    bytes → magic, type, axes → uint8 [N, …] and what the header got wrong

1. The header is never believed: as many whole items are taken as are there.
2. No more than `MAX_BYTES` are unpacked, whatever a compressed file holds.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

UNSIGNED_BYTE = 0x08
MAX_BYTES = 1 << 30
MAX_ITEM_BYTES = 1 << 26
_CHUNK = 1 << 20


class IdxError(ValueError):
    """The bytes are not IDX data of the wanted shape; the message says what they are."""


@dataclass(frozen=True)
class IdxArray:
    """What an IDX file holds.

    Attributes:
        items: uint8 [N, …]: whole items that are really there, at most as many as declared.
        declared: The count in the header.
        extra_bytes: Bytes after the declared items, or of a last item that is cut short.
    """

    items: NDArray[np.uint8]
    declared: int
    extra_bytes: int


def parse_idx(content: bytes, axes: int) -> IdxArray:
    """Read IDX bytes of ``axes`` axes (1: labels [N], 3: images [N, H, W]).

    Raises:
        IdxError: Wrong magic number, type, axes, or an item of no or impossible size.
    """
    header = 4 + 4 * axes
    if len(content) < header:
        raise IdxError(f"{len(content)} bytes, but the header alone has {header}")
    zero, kind, found = struct.unpack_from(">HBB", content)
    if zero != 0 or kind != UNSIGNED_BYTE or found != axes:
        raise IdxError(
            f"magic number 0x{content[:4].hex()}, but unsigned bytes with {axes} axes "
            f"begin with 0x00000{UNSIGNED_BYTE:x}0{axes}"
        )
    declared, *shape = struct.unpack_from(f">{axes}I", content, 4)
    item = 1
    for axis in shape:
        item *= axis
    if not 0 < item <= MAX_ITEM_BYTES:
        raise IdxError(f"items of shape {shape}; the limit is {MAX_ITEM_BYTES} bytes each")
    count = min(declared, (len(content) - header) // item)
    items = np.frombuffer(content, np.uint8, count * item, header).reshape(count, *shape)
    return IdxArray(items, declared, len(content) - header - count * item)


def read_idx(path: Path, axes: int) -> IdxArray:
    """Read an IDX file, gzipped if its first bytes say so; what a cut archive holds is kept.

    Raises:
        IdxError: As `parse_idx`.
        OSError: The file cannot be read.
    """
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    if not zipped:
        with path.open("rb") as file:
            return parse_idx(file.read(MAX_BYTES), axes)
    content = bytearray()
    # Of a damaged archive the count of whole items tells the caller where it ends.
    with suppress(EOFError, zlib.error, gzip.BadGzipFile), gzip.open(path) as packed:
        while len(content) < MAX_BYTES and (chunk := packed.read1(_CHUNK)):
            content += chunk
    return parse_idx(bytes(content), axes)

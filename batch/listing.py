"""What goes in, seen once before anything is worked on: how many items, and a hash of each shard.

entries (key, stamp) → Listing(items, hash of all, 16 bytes for each shard)

Knows no source. Holds no keys: a hundred million items in shards of 4,096 take 400 KB.

1. The hash depends on keys, stamps and their order, not on how they are cut into shards.
2. The work reads the source again and compares each shard's hash before the shard is kept.
"""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from batch.errors import BatchError
from batch.picture_files import picture_name
from batch.shards import MAX_SHARDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from batch.picture_files import ImageFormat
    from batch.sources import Source

_DIGEST_BYTES = 16


class EntryHash:
    """A running hash of entries."""

    def __init__(self) -> None:
        """No entry yet."""
        self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def add(self, key: str, stamp: str) -> None:
        """The next entry."""
        # Lengths first, so that no two lists of entries read alike.
        self._hash.update(f"{len(key)} {len(stamp)} {key}{stamp}".encode())

    def digest(self) -> bytes:
        """16 bytes for the entries so far."""
        return self._hash.digest()


@dataclass(frozen=True)
class Listing:
    """The input of a job.

    Attributes:
        items: How many.
        digest: Of all of them, hexadecimal.
        shard_digests: 16 bytes for each shard, one after the other.
    """

    items: int
    digest: str
    shard_digests: bytes

    def shard_digest(self, shard: int) -> bytes:
        """What `EntryHash` of the shard's entries must come to."""
        return self.shard_digests[shard * _DIGEST_BYTES : (shard + 1) * _DIGEST_BYTES]


def list_items(
    source: Source,
    shard_rows: int,
    *,
    images: ImageFormat | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Listing:
    """Read all entries of ``source`` once.

    Args:
        source: Where items come from.
        shard_rows: Items of a shard.
        images: The format of image files if each item becomes one: no two may have one name.
        progress: Told the number of entries so far, now and then.

    Raises:
        BatchError: There is no item, too many for so small shards, or two would become one file.
    """
    whole, part, digests = EntryHash(), EntryHash(), bytearray()
    names = array("Q")
    count = 0
    for count, (key, stamp) in enumerate(source.entries(), start=1):
        whole.add(key, stamp)
        part.add(key, stamp)
        if images is not None:
            names.append(_short_hash(picture_name(key, images)))
        if count % shard_rows == 0:
            digests += part.digest()
            part = EntryHash()
            progress(count)
    if count % shard_rows:
        digests += part.digest()
    if not count:
        raise BatchError(f"{source.name} holds no item: {source.why_empty}")
    if len(digests) > MAX_SHARDS * _DIGEST_BYTES:
        raise BatchError(
            f"{count} items in shards of {shard_rows} are more than {MAX_SHARDS} files; raise "
            "--shard-rows"
        )
    if images is not None:
        _check_names(source, names, images)
    return Listing(count, whole.digest().hex(), bytes(digests))


def _short_hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def _check_names(source: Source, names: array[int], images: ImageFormat) -> None:
    hashes = np.frombuffer(names, np.uint64)
    unique, counts = np.unique(hashes, return_counts=True)
    if len(unique) == len(hashes):
        return
    twice = int(unique[np.argmax(counts > 1)])
    # Only a refusal reads the entries again.
    keys = [key for key, _ in source.entries() if _short_hash(picture_name(key, images)) == twice]
    raise BatchError(
        f"{len(hashes) - len(unique)} items would overwrite another's image: {keys[0]!r} and "
        f"{keys[-1]!r} both become {picture_name(keys[0], images)!r}; name them apart, or leave "
        "out --images: rows of Parquet may share a key"
    )

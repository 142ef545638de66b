"""Which part of a data set an item belongs to: fixed by its key, never by its place in a list.

    key → official part of its first folder, or SHA-256 of the key → train, validation or test

1. The same key gives the same part on every machine, however many items are beside it.
2. An official part wins. Only a part that the set lacks is taken, by the hash, from its train.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


class Split(IntEnum):
    """The three parts; the numbers are those of ``Dataset.splits``."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


OFFICIAL = {
    "train": Split.TRAIN,
    "validation": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "val": Split.VALIDATION,
    "test": Split.TEST,
}
"""First folder of a key → the part that the set's authors chose."""

UNKNOWN = -1
"""Stands where a list of official parts says nothing of an item."""

VALIDATION_SHARE = 0.05
TEST_SHARE = 0.05


def official(key: str) -> Split | None:
    """The part that the first folder of ``key`` names; None if it names none."""
    first, slash, _ = key.partition("/")
    return OFFICIAL.get(first.lower()) if slash else None


def by_hash(key: str) -> Split:
    """90 % train, 5 % validation, 5 % test, by the SHA-256 of ``key``."""
    share = _unit(key)
    if share < VALIDATION_SHARE:
        return Split.VALIDATION
    return Split.TEST if share < VALIDATION_SHARE + TEST_SHARE else Split.TRAIN


def assign(keys: Iterable[str], parts: NDArray[np.int8] | None = None) -> NDArray[np.int8]:
    """The part of every key: int8 [N], values of `Split`.

    Args:
        keys: N of them.
        parts: The official ones int8 [N], `UNKNOWN` where there is none; without it, the first
            folder of a key may name one.
    """
    keys = list(keys)
    named = [official(key) for key in keys] if parts is None else [_part(part) for part in parts]
    present = set(named)
    assigned = []
    for key, part in zip(keys, named, strict=True):
        drawn = by_hash(key)
        if part is None or (part is Split.TRAIN and drawn not in present):
            assigned.append(drawn)
        else:
            assigned.append(part)
    return np.array(assigned, np.int8)


def subset(keys: Sequence[str], limit: int | None) -> NDArray[np.intp]:
    """Places of at most ``limit`` keys, in order: chosen by hash, so that classes stay mixed.

    The choice is independent of `by_hash`; a larger limit keeps what a smaller one chose.
    """
    if limit is None or limit >= len(keys):
        return np.arange(len(keys))
    ranked = sorted(range(len(keys)), key=lambda place: _unit(f"subset/{keys[place]}"))
    return np.array(sorted(ranked[:limit]), np.intp)


def _part(number: np.int8) -> Split | None:
    return None if number == UNKNOWN else Split(int(number))


def _unit(text: str) -> float:
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64

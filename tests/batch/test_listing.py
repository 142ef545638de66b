"""The listing: one hash for the input, one for each shard, and no two items in one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import BatchError
from batch.listing import EntryHash, list_items
from batch.shards import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from batch.items import Item
    from batch.sources import Takes

ENTRIES = st.lists(st.tuples(st.text("ab1 ", max_size=3), st.text("1:", max_size=3)), min_size=1)


@dataclass
class Given:
    """A source that is a list of entries."""

    given: Sequence[tuple[str, str]]
    kind: str = "given"
    name: str = "the input"
    why_empty: str = "write something"
    takes: Takes = "images"

    def entries(self) -> Iterator[tuple[str, str]]:
        return iter(self.given)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        raise NotImplementedError

    def reaches(self, folder: Path) -> bool:
        raise NotImplementedError

    def notes(self) -> Sequence[str]:
        return ()


@given(first=ENTRIES, second=ENTRIES)
def test_inputs_have_one_digest_exactly_if_they_are_equal(
    first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    digests = {list_items(Given(each), 3).digest for each in (first, second)}
    assert (len(digests) == 1) == (first == second)


@given(entries=ENTRIES, rows=st.integers(1, 9), other=st.integers(1, 9))
def test_shards_have_their_own_hashes(
    entries: list[tuple[str, str]], rows: int, other: int
) -> None:
    listing = list_items(Given(entries), rows)
    plan = Plan(listing.items, rows)
    assert listing.items == len(entries)
    assert len(listing.shard_digests) == 16 * plan.shards
    for shard in range(plan.shards):
        start, stop = plan.bounds(shard)
        seen = EntryHash()
        for entry in entries[start:stop]:
            seen.add(*entry)
        assert listing.shard_digest(shard) == seen.digest()
    assert list_items(Given(entries), other).digest == listing.digest


def test_nothing_is_refused() -> None:
    with pytest.raises(BatchError, match="the input holds no item: write something"):
        list_items(Given([]), 3)


def test_two_items_cannot_become_one_file() -> None:
    entries = [("b.png", ""), ("a.jpg", ""), ("c", ""), ("a.jpg.png", "")]
    assert list_items(Given(entries), 3).items == 4
    with pytest.raises(BatchError, match=r"1 items would .* 'a.jpg' and 'a.jpg.png' both become"):
        list_items(Given(entries), 3, images="png")
    assert list_items(Given(entries), 3, images="webp").items == 4


def test_progress_is_told() -> None:
    told: list[int] = []
    list_items(Given([("a", "")] * 7), 3, progress=told.append)
    assert told == [3, 6]

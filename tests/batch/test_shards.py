"""The arithmetic of shards: each item lies in exactly one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.shards import Plan, shard_name


@given(items=st.integers(0, 500), rows=st.integers(1, 600))
def test_shards_hold_every_item_once_and_in_order(items: int, rows: int) -> None:
    plan = Plan(items, rows)
    held = [item for shard in range(plan.shards) for item in range(*plan.bounds(shard))]
    assert held == list(range(items))
    assert all(0 < plan.rows(shard) <= rows for shard in range(plan.shards))


@given(shard=st.integers(0, 999_998))
def test_names_sort_as_shards_do(shard: int) -> None:
    assert shard_name(shard) < shard_name(shard + 1)


@pytest.mark.parametrize(("items", "rows"), [(-1, 5), (5, 0)])
def test_what_cannot_be_cut_is_refused(items: int, rows: int) -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        Plan(items, rows)


@pytest.mark.parametrize("shard", [-1, 3])
def test_there_are_no_other_shards(shard: int) -> None:
    with pytest.raises(ValueError, match=f"shard {shard} of 3"):
        Plan(25, 10).bounds(shard)

"""The split of an item is its key's own, and official parts win."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.data.split import UNKNOWN, Split, assign, by_hash, official, subset

KEYS = [f"photos/{number}.jpg" for number in range(20_000)]


def test_shares_are_ninety_five_five() -> None:
    shares = np.bincount(assign(KEYS), minlength=3) / len(KEYS)
    np.testing.assert_allclose(shares, [0.90, 0.05, 0.05], atol=0.01)


def test_known_keys_stay_where_they_are_for_ever() -> None:
    """Changing the hash would leak test images into the training of the next version."""
    assert [by_hash(f"face-0-{number:06d}").name for number in (0, 15, 34)] == PINNED


PINNED = ["TRAIN", "VALIDATION", "TEST"]


@given(st.lists(st.text(min_size=1), unique=True, min_size=1))
def test_part_does_not_depend_on_the_company(keys: list[str]) -> None:
    keys = [key.replace("/", "_") for key in dict.fromkeys(keys)]
    alone = [int(assign([key])[0]) for key in keys]
    assert assign(keys).tolist() == alone


def test_official_parts_win() -> None:
    keys = ["train/a/1", "validation/a/1", "val/2", "valid/3", "Test/a/1"]
    wanted = [Split.TRAIN, Split.VALIDATION, Split.VALIDATION, Split.VALIDATION, Split.TEST]
    assert assign(keys).tolist() == wanted
    assert official("train.jpg") is None
    assert official("trains/1.jpg") is None


def test_a_list_of_official_parts_wins_and_the_hash_fills_its_gaps() -> None:
    keys = [f"{number:06d}.jpg" for number in range(1000)]
    parts = np.array([0, 1, 2, UNKNOWN] * 250, np.int8)
    found = assign(keys, parts)
    known = parts != UNKNOWN
    np.testing.assert_array_equal(found[known], parts[known])
    np.testing.assert_array_equal(found[~known], [by_hash(key) for key in keys[3::4]])


def test_missing_validation_is_taken_from_train_only() -> None:
    train = [f"train/{number:05d}" for number in range(4000)]
    test = [f"test/{number:05d}" for number in range(1000)]
    parts = assign(train + test)
    assert set(parts[4000:].tolist()) == {Split.TEST}
    assert set(parts[:4000].tolist()) == {Split.TRAIN, Split.VALIDATION}
    assert 0.03 < (parts[:4000] == Split.VALIDATION).mean() < 0.07


def test_subset_is_nested_mixed_and_independent_of_the_split() -> None:
    small, large = subset(KEYS, 500), subset(KEYS, 2000)
    assert len(small) == 500
    assert set(small) < set(large)
    assert 8000 < small.mean() < 12000
    assert 0.02 < (assign([KEYS[place] for place in large]) == Split.TEST).mean() < 0.08
    assert subset(KEYS, None).tolist() == list(range(len(KEYS)))

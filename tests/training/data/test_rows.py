"""A choice of rows behaves as the array that a copy would give, and copies nothing by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.rows import LazyRows, take

IMAGES = np.arange(10 * 2 * 2 * 1, dtype=np.uint8).reshape(10, 2, 2, 1)
PLACES = np.array([7, 2, 2, 9], np.intp)


@given(
    st.lists(st.integers(0, 9), max_size=12),
    st.one_of(
        st.slices(12),
        st.lists(st.booleans(), min_size=12, max_size=12).map(np.array),
        st.lists(st.integers(0, 11), max_size=5).map(lambda rows: np.array(rows, np.intp)),
        st.integers(-12, 11),
    ),
)
def test_indexing_is_that_of_a_copy(chosen: list[int], index: slice | int | np.ndarray) -> None:
    places = np.array((chosen + [0] * 12)[:12], np.intp)
    rows, copy = take(IMAGES, places), IMAGES[places]
    np.testing.assert_array_equal(rows[index], copy[index])
    assert type(rows[index]) is np.ndarray
    assert (len(rows), rows.shape, rows.dtype) == (len(copy), copy.shape, copy.dtype)
    np.testing.assert_array_equal(np.asarray(rows), copy)


def test_a_choice_of_a_choice_reads_the_array_below() -> None:
    images = IMAGES.copy()
    twice = take(take(images, PLACES), np.array([3, 0]))
    assert isinstance(twice, LazyRows)
    images[9] = 200
    assert twice[0].max() == 200
    np.testing.assert_array_equal(twice[1], IMAGES[7])


def test_all_rows_are_the_array_itself() -> None:
    assert take(IMAGES, np.arange(10)) is IMAGES
    part = take(IMAGES, PLACES)
    assert take(part, np.arange(4)) is part
    assert take(IMAGES, np.arange(10)[::-1]) is not IMAGES


def test_rows_that_are_not_there_are_refused_at_once() -> None:
    for places in ([3, 10], [-1]):
        with pytest.raises(IndexError, match="there are 10 rows"):
            take(IMAGES, np.array(places))


def test_iterating_ends_with_the_rows_and_no_view_is_promised() -> None:
    rows = take(IMAGES, PLACES)
    assert [int(image[0, 0, 0]) for image in rows] == [28, 8, 8, 36]
    with pytest.raises(ValueError, match="without a copy"):
        np.array(rows, copy=False)

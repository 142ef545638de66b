"""Attribute arithmetic: exact, in a fixed order, with names and bounds checked."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import InvalidRequest, ShapeMismatch, UnknownAttribute
from inference.latents import MAX_STRENGTH, check_strengths, shifted, strength_row

NAMES = ("glasses", "smile", "blond_hair")


def test_strengths_by_name_stand_in_the_manifests_order() -> None:
    row = strength_row({"blond_hair": -0.5, "glasses": 2}, NAMES)
    np.testing.assert_array_equal(row, np.array([[2, 0, -0.5]], np.float32))


def test_no_strength_leaves_the_latents_as_they_are() -> None:
    latents = np.array([[-0.0, 1.5]], np.float32)
    moved = shifted(latents, strength_row({"smile": 0.0}, NAMES), np.ones((3, 2), np.float32))
    assert moved.tobytes() == latents.tobytes()


def test_a_strength_of_one_adds_the_direction() -> None:
    directions = np.arange(6, dtype=np.float32).reshape(3, 2)
    latents = np.array([[10, 20], [30, 40]], np.float32)
    moved = shifted(latents, strength_row({"smile": 1, "blond_hair": -2}, NAMES), directions)
    np.testing.assert_array_equal(moved, latents + directions[1] - 2 * directions[2])
    np.testing.assert_array_equal(latents, [[10, 20], [30, 40]])


def test_rows_may_have_their_own_strengths() -> None:
    directions = np.eye(2, dtype=np.float32)
    table = np.array([[1, 0], [0, 3]], np.float32)
    moved = shifted(np.zeros((2, 2), np.float32), table, directions)
    np.testing.assert_array_equal(moved, table)


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 40), latents=st.integers(1, 130))
@settings(deadline=None, max_examples=100)
def test_a_row_does_not_depend_on_its_company(seed: int, rows: int, latents: int) -> None:
    random = np.random.default_rng(seed)
    z = random.standard_normal((rows, latents), dtype=np.float32)
    directions = random.standard_normal((3, latents), dtype=np.float32)
    strengths = strength_row({"glasses": 0.3, "smile": -1.7, "blond_hair": 0.9}, NAMES)
    together = shifted(z, strengths, directions)
    for index in range(rows):
        alone = shifted(z[index : index + 1], strengths, directions)
        assert together[index : index + 1].tobytes() == alone.tobytes()


def test_the_order_of_names_in_a_request_changes_no_bit() -> None:
    random = np.random.default_rng(0)
    z = random.standard_normal((5, 64), dtype=np.float32)
    directions = random.standard_normal((3, 64), dtype=np.float32)
    given_strengths = {"glasses": 0.1, "smile": 0.7, "blond_hair": -1.3}
    results = {
        shifted(z, strength_row(dict(order), NAMES), directions).tobytes()
        for order in itertools.permutations(given_strengths.items())
    }
    assert len(results) == 1


def test_an_unknown_attribute_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(UnknownAttribute, match="did you mean 'glasses'") as refusal:
        strength_row({"glases": 1}, NAMES)
    assert refusal.value.details == {
        "attribute": "glases",
        "nearest": ["glasses"],
        "attributes": list(NAMES),
    }


def test_an_unknown_attribute_far_from_all_still_lists_them() -> None:
    with pytest.raises(UnknownAttribute, match="glasses, smile, blond_hair") as refusal:
        strength_row({"q" * 100_000: 1}, NAMES)
    assert refusal.value.details["nearest"] == []
    assert len(refusal.value.message) < 300


def test_a_model_without_attributes_says_so() -> None:
    with pytest.raises(UnknownAttribute, match="attributes are: none"):
        strength_row({"smile": 1}, ())


@pytest.mark.parametrize(
    "strength", [float("nan"), float("inf"), 10.1, -11, 10**300, "1", None, True, [1]]
)
def test_what_is_no_strength_is_refused(strength: object) -> None:
    with pytest.raises(InvalidRequest, match="from -10 to 10"):
        strength_row({"smile": strength}, NAMES)  # type: ignore[dict-item]


def test_strengths_given_as_an_array() -> None:
    one = check_strengths(np.array([1, 2, MAX_STRENGTH]), 3, 5)
    assert one.shape == (1, 3)
    assert one.dtype == np.float32
    assert check_strengths(np.zeros((5, 3), np.float32), 3, 5).shape == (5, 3)


@pytest.mark.parametrize(
    "strengths", [np.zeros(2), np.zeros((4, 3)), np.zeros((5, 3), np.int64), np.zeros((1, 1, 3))]
)
def test_strengths_of_another_shape_are_refused(strengths: np.ndarray) -> None:
    with pytest.raises(ShapeMismatch, match=r"\[3\] or \[5, 3\]"):
        check_strengths(strengths, 3, 5)


@pytest.mark.parametrize("value", [np.nan, np.inf, 10.5, -1e30])
def test_strengths_beyond_the_bounds_are_refused(value: float) -> None:
    table = np.zeros((2, 3), np.float32)
    table[1, 1] = value
    with pytest.raises(InvalidRequest, match="from -10 to 10"):
        check_strengths(table, 3, 2)


def test_an_integer_beyond_any_float_is_refused_as_too_strong() -> None:
    with pytest.raises(InvalidRequest, match="'smile' is an integer, but must lie from -10 to 10"):
        strength_row({"smile": 10**400}, ["smile"])

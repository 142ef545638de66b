"""Each figure of a shift on arrays small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.evaluation.answers import (
    Answers,
    along,
    changed,
    judged_figures,
    leakage,
    logit_gaps,
    shift_figures,
    useful,
    worse,
)

EVEN = np.full((1, 4), 0.25)


def _answers(
    without: list[float], added: list[float], having: list[float], removed: list[float]
) -> Answers:
    """One attribute, beside a second that never moves."""

    def both(values: list[float]) -> np.ndarray:
        return np.stack((values, np.zeros(len(values))), axis=1).astype(np.float32)

    return Answers(both(without), both(added), both(having), both(removed), np.array([4.0, 2.0]))


def test_flip_counts_those_that_were_not_shown_with_it_before() -> None:
    said = _answers([-1, -1, -1, 1], [2, 2, -3, 2], [1, 1, 1, -1], [-1, 1, 1, -1])
    found = shift_figures(0, said, EVEN, EVEN)
    assert found["flip"].tolist() == [2 / 3]
    assert found["ceiling"].tolist() == [0.75]
    assert found["flip_of_ceiling"].tolist() == pytest.approx([8 / 9])
    assert found["removed"].tolist() == pytest.approx([1 / 3])


def test_calibration_is_the_move_in_parts_of_the_gap() -> None:
    said = _answers([-2, -2, -2, -2], [1, 1, -1, -1], [2, 2, 2, 2], [0, 0, -4, -4])
    found = shift_figures(0, said, EVEN, EVEN)
    assert found["gap"].tolist() == [4.0]
    assert found["calibration"].tolist() == [0.5]
    assert found["calibration_back"].tolist() == [-1.0]


def test_a_judge_that_says_one_thing_gets_nothing() -> None:
    for answer in (5.0, -5.0):
        same = [answer] * 4
        found = shift_figures(0, _answers(same, same, same, same), EVEN, EVEN)
        assert found["flip"] == found["flip_of_ceiling"] == found["calibration"] == 0.0
        assert found["removed"] == 0.0


def test_flip_of_the_ceiling_is_at_most_one() -> None:
    said = _answers([-1] * 4, [1] * 4, [1, -1, -1, -1], [-1] * 4)
    assert shift_figures(0, said, EVEN, EVEN)["flip_of_ceiling"].tolist() == [1.0]


def test_leakage_is_relative_to_the_others_gap_and_to_the_attributes_own_move() -> None:
    before = np.zeros((4, 3), np.float32)
    after = np.tile(np.float32([3.0, -1.0, 0.5]), (4, 1))
    said = Answers(before, after, before, before, np.array([4.0, 2.0, 0.0]))
    whole = leakage(0, said, np.array([1.0]), EVEN)
    assert whole[0, :2].tolist() == [0.0, 0.5]
    assert whole[0, 2] > 1e3  # an attribute without a gap moves wholly
    assert leakage(0, said, np.array([0.5]), EVEN)[0, 1] == 1.0
    # An edit that hardly moves its own attribute does not make leakage boundless.
    assert leakage(0, said, np.array([0.0]), EVEN)[0, 1] == pytest.approx(5.0)


def test_moves_in_both_directions_cancel_in_leakage_but_not_in_verdicts() -> None:
    before = np.float32([[0, -1], [0, 1]])
    after = np.float32([[0, 1], [0, -1]])
    even = np.full((1, 2), 0.5)
    said = Answers(before, after, before, before, np.array([1.0, 1.0]))
    assert leakage(0, said, np.array([1.0]), even)[0].tolist() == [0.0, 0.0]
    assert changed(before, after).tolist() == [[0, 1], [0, 1]]


def test_only_counted_attributes_count_and_related_ones_stand_apart() -> None:
    before = np.full((4, 4), -1.0, np.float32)
    after = before + np.float32([2.0, 0.2, 0.6, 1.4])
    said = Answers(before, after, -before, -after, np.full(4, 2.0))
    found, row = judged_figures(
        0,
        said,
        (EVEN, EVEN),
        counted=np.array([False, True, True, False]),
        related=np.array([False, False, False, True]),
        content=np.array([0.5]),
    )
    assert row.tolist() == pytest.approx([0.0, 0.1, 0.3, 0.7])
    assert found["leakage_mean"][0] == pytest.approx(0.2)
    assert found["leakage_max"][0] == pytest.approx(0.3)
    assert found["leakage_related"][0] == pytest.approx(0.7)
    assert found["others_kept"].tolist() == [1.0]
    assert found["score"][0] == pytest.approx(1.0 * 0.8 * 0.5)


def test_others_kept_is_the_worse_of_adding_and_removing() -> None:
    before = np.full((4, 2), -1.0, np.float32)
    turned = before.copy()
    turned[:3, 1] = 1.0
    said = Answers(before, before, before, turned, np.ones(2))
    found, _ = judged_figures(
        0,
        said,
        (EVEN, EVEN),
        counted=np.array([False, True]),
        related=np.zeros(2, np.bool_),
        content=np.ones(1),
    )
    assert found["others_kept"].tolist() == [0.25]


def test_without_other_attributes_nothing_leaks() -> None:
    said = _answers([-1] * 4, [1] * 4, [1] * 4, [-1] * 4)
    none = np.zeros(2, np.bool_)
    found, _ = judged_figures(0, said, (EVEN, EVEN), counted=none, related=none, content=np.ones(1))
    assert found["leakage_mean"] == found["leakage_max"] == found["leakage_related"] == 0.0
    assert found["others_kept"] == found["score"] == 1.0


def test_gaps_are_differences_of_means() -> None:
    said = np.float32([[3, 0], [1, 0], [-2, 0], [-4, 7]])
    labels = np.array([[True, False], [True, False], [False, False], [False, False]])
    assert logit_gaps(said, labels).tolist() == [5.0, -1.75]


def test_a_line_is_linear_and_rises_and_a_fall_is_seen_wherever_it_comes() -> None:
    line = np.linspace(-3, 3, 7, dtype=np.float32)[:, None]
    assert along(line) == (pytest.approx(1.0), np.ones(1))
    assert along(-line)[0] == pytest.approx(1.0)
    assert along(-line)[1].tolist() == [0.0]
    assert along(np.zeros((7, 3), np.float32))[0] == 0.0
    step = np.float32([-9, -9, -9, 9, 9, 9, 9])[:, None]
    assert 0.5 < along(step)[0] < 0.9
    # Slow falls add up, and one of less than 0.01 is let pass.
    slow = np.float32([0, 0.2, 0.18, 0.16, 0.14, 0.12, 0.1])[:, None]
    small = np.float32([0, 0.2, 0.18, 0.3, 0.4, 0.5, 0.49])[:, None]
    assert along(slow)[1].tolist() == [0.0]
    assert along(small)[1].tolist() == [1.0]


@given(arrays(np.float32, (7, 5), elements=st.floats(-20, 20, width=32)))
def test_rising_answers_are_monotone_and_falling_further_never_becomes_so(
    logits: np.ndarray,
) -> None:
    assert along(np.sort(logits, axis=0))[1].all()
    linearity, rising = along(logits)
    assert 0.0 <= linearity <= 1.0 + 1e-9
    lower = logits.copy()
    lower[-1] -= 5
    assert (along(lower)[1] <= rising).all()


def test_the_useful_range_ends_where_others_first_change() -> None:
    strengths = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
    kept = np.array([0.9, 0.99, 1.0, 1.0, 0.95, 0.94, 1.0])
    assert useful(strengths, kept) == (-0.5, 1.0)
    assert useful(strengths, np.ones(7)) == (-1.0, 2.0)
    assert useful(strengths, np.zeros(7)) == (0.0, 0.0)


def test_of_two_judges_the_answer_farther_from_what_is_wanted_counts() -> None:
    first = {"calibration": np.array([1.3, 1.0]), "flip": np.array([0.9]), "gap": np.array([5.0])}
    second = {"calibration": np.array([0.8, 0.7]), "flip": np.array([0.7]), "gap": np.array([4.0])}
    found = worse(first, second)
    assert found["calibration"].tolist() == [1.3, 1.0]
    assert found["flip"].tolist() == [0.7]
    assert found["gap"].tolist() == [4.0]
    again = worse(second, first)
    assert {name: value.tolist() for name, value in again.items()} == {
        name: value.tolist() for name, value in found.items()
    }

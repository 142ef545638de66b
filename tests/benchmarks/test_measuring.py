"""Percentiles, medians and the order of rounds."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.measuring import Measure, in_turns, percentile, summarise


def test_the_95th_of_a_hundred_is_the_95th() -> None:
    times = [float(place) for place in range(100, 0, -1)]
    assert percentile(times, 0.95) == 95.0
    assert percentile(times, 0.5) == 50.0
    assert percentile(times, 1.0) == 100.0


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_percentile_is_the_smallest_that_a_share_does_not_exceed(
    times: list[float], share: float
) -> None:
    found = percentile(times, share)

    def reached(value: float) -> float:
        return sum(time <= value for time in times) / len(times)

    assert found in times
    assert reached(found) >= share - 1e-6
    assert all(reached(time) < share + 1e-6 for time in times if time < found)


@pytest.mark.parametrize(("times", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
def test_what_has_no_percentile_is_refused(times: list[float], share: float) -> None:
    with pytest.raises(ValueError, match=r"share|times"):
        percentile(times, share)


def test_medians_are_of_each_figure_for_itself() -> None:
    rounds = [
        Measure(rate=90.0, p50_ms=3.0, p95_ms=9.0, core_ms=1.0),
        Measure(rate=10.0, p50_ms=1.0, p95_ms=7.0, core_ms=3.0),
        Measure(rate=50.0, p50_ms=2.0, p95_ms=80.0, core_ms=2.0),
    ]
    found = summarise(rounds)
    assert (found.rate, found.p50_ms, found.p95_ms, found.core_ms) == (50.0, 2.0, 9.0, 2.0)
    assert (found.lowest, found.highest) == (10.0, 90.0)


def test_what_has_no_times_stays_without() -> None:
    found = summarise([Measure(1.0, math.nan, math.nan, 1.0)] * 2)
    assert math.isnan(found.p95_ms)
    with pytest.raises(ValueError, match="no round"):
        summarise([])


def test_every_round_has_every_work_once_and_begins_elsewhere() -> None:
    order = list(in_turns("abcdefgh", 4))
    rounds = [order[begin : begin + 8] for begin in range(0, 32, 8)]
    assert [set(each) for each in rounds] == [set("abcdefgh")] * 4
    assert [each[0] for each in rounds] == ["a", "c", "e", "g"]
    # Rounds follow each other: nothing is measured twice in a row where there is a choice.
    assert all(one != other for one, other in pairwise(order))


def test_more_rounds_than_works() -> None:
    assert Counter(in_turns([1, 2], 5)) == {1: 5, 2: 5}

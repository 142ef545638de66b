"""The drain rate: measured over busy time, recent batches weighing most."""

from __future__ import annotations

import pytest

from inference.drain import DrainRate


def steady(items: int, seconds: float, batches: int = 20) -> tuple[DrainRate, float]:
    rate, now = DrainRate(), 100.0
    rate.begin(now)
    for _ in range(batches):
        now += seconds
        rate.add(items, now)
    return rate, now


def test_before_any_measurement_it_is_a_second() -> None:
    assert DrainRate().seconds_for(500) == 1.0


def test_steady_batches_give_their_rate() -> None:
    rate, _ = steady(32, 0.125)

    assert rate.seconds_for(512) == pytest.approx(512 * 0.125 / 32, rel=0.2)


def test_idle_time_does_not_count() -> None:
    rate, now = steady(32, 0.125)
    before = rate.seconds_for(512)

    rate.begin(now + 3600)
    rate.add(32, now + 3600.125)

    assert rate.seconds_for(512) == pytest.approx(before, rel=0.05)


def test_batches_that_land_together_count_together() -> None:
    rate = DrainRate()
    rate.begin(0.0)
    rate.add(32, 0.125)
    one_slot = rate.seconds_for(512)

    rate.add(32, 0.125)

    assert rate.seconds_for(512) == pytest.approx(one_slot / 2)


def test_a_slower_graph_shows_within_seconds() -> None:
    rate, now = steady(32, 0.125)
    for _ in range(10):
        now += 2.0
        rate.add(32, now)

    assert rate.seconds_for(32) == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize(("items", "seconds"), [(1, 0.01), (10_000_000, 60.0)])
def test_what_it_says_is_bounded(items: int, seconds: float) -> None:
    rate, _ = steady(32, 0.001)

    assert rate.seconds_for(items) == seconds

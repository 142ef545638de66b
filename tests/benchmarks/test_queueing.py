"""The simulation of one worker agrees with what queueing theory can say, and loses nobody."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.queueing import Worker, interpolate, poisson, simulate


def test_poisson_arrivals_have_their_rate() -> None:
    arrivals = poisson(50.0, 20_000, seed=1)
    assert arrivals == sorted(arrivals)
    assert 20_000 / arrivals[-1] == pytest.approx(50.0, rel=0.03)
    gaps = [later - sooner for sooner, later in pairwise(arrivals)]
    # An exponential spread is as large as its mean.
    assert statistics.pstdev(gaps) == pytest.approx(statistics.fmean(gaps), rel=0.03)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_at_a_time_waits_as_pollaczek_and_khinchine_say(load: float) -> None:
    """M/D/1: with one item a batch and a loop that costs nothing, mean wait ρ·s / 2(1 - ρ)."""
    seconds = 0.01
    worker = Worker(lambda _: seconds, parse_s=0.0, answer_s=0.0, max_batch_size=1)
    seen = simulate(worker, poisson(load / seconds, 40_000, seed=2))
    assert statistics.fmean(seen.waits_s) == pytest.approx(
        load * seconds / (2 * (1 - load)), rel=0.1
    )


def test_two_threads_on_two_cores_wait_less_than_one_and_on_one_core_gain_nothing() -> None:
    arrivals = poisson(150.0, 5_000, seed=3)

    def mean_time(threads: int, cores: int) -> float:
        worker = Worker(lambda _: 0.005, 0.0, 0.0, threads, cores, max_batch_size=1)
        return statistics.fmean(simulate(worker, arrivals).times_s)

    assert mean_time(2, 2) < 0.6 * mean_time(1, 1)
    assert mean_time(2, 1) > 0.9 * mean_time(1, 1)


def test_batches_grow_only_while_threads_are_short() -> None:
    worker = Worker(lambda size: 0.004 + 0.001 * size, parse_s=0.0, answer_s=0.0)
    calm = simulate(worker, [0.01 * number for number in range(100)])
    assert set(calm.sizes) == {1}
    assert max(calm.waits_s) == 0
    # 400 a second are more than 1 / 5 ms, and less than batches of 32 can do.
    busy = simulate(worker, poisson(400.0, 4_000, seed=4))
    assert statistics.fmean(busy.sizes) > 2
    burst = simulate(worker, [0.0] * 70)
    assert burst.sizes == [1, 32, 32, 5]


def test_a_thread_is_free_only_once_the_loop_has_seen_to_it() -> None:
    """Two at once: parsed 1 s each, one batch of one; its end is told behind the second parse."""
    worker = Worker(lambda _: 0.5, parse_s=1.0, answer_s=0.25, cores=2)
    seen = simulate(worker, [0.0, 0.0])
    assert seen.sizes == [1, 1]
    assert seen.waits_s == pytest.approx([0.0, 0.0])
    assert seen.times_s == pytest.approx([2.25, 2.75])


def test_times_between_measured_sizes_lie_on_straight_lines() -> None:
    at = interpolate({1: 1.0, 4: 2.5, 8: 4.0})
    assert [at(size) for size in (1, 2, 4, 6, 8)] == pytest.approx([1.0, 1.5, 2.5, 3.25, 4.0])
    assert at(16) == pytest.approx(8.0)
    assert interpolate({4: 2.0})(1) == pytest.approx(0.5)


@given(
    arrivals=st.lists(st.floats(0, 2), max_size=60).map(sorted),
    parse_s=st.floats(0, 0.05),
    graph_s=st.floats(1e-6, 0.1),
    threads=st.integers(1, 3),
    cores=st.integers(1, 3),
    limit=st.integers(1, 8),
)
@settings(max_examples=60, deadline=None)
def test_everybody_is_answered_once_and_no_batch_is_too_large(
    *,
    arrivals: list[float],
    parse_s: float,
    graph_s: float,
    threads: int,
    cores: int,
    limit: int,
) -> None:
    worker = Worker(lambda size: graph_s * size, parse_s, 0.001, threads, cores, limit)
    seen = simulate(worker, arrivals)
    assert len(seen.times_s) == sum(seen.sizes) == len(arrivals)
    assert len(seen.waits_s) == len(seen.sizes)
    assert all(1 <= size <= limit for size in seen.sizes)
    least = parse_s + graph_s + 0.001
    assert all(time >= least * (1 - 1e-6) for time in seen.times_s)
    assert all(wait >= -1e-9 for wait in seen.waits_s)

"""The knee of series made by hand, and what holds for any series."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from loadtests.knee import FALLEN, PATIENCE, Step, knee, missed, sentence, steps_of, stop
from loadtests.outcomes import Outcome, Outcomes, Span

LIMIT_MS = 100.0


def step(users: int, rate: float, p95_ms: float, *, failed: int = 0, shed: int = 0) -> Step:
    return Step(users, rate, p95_ms, 1000, failed, shed)


RISING = [step(1, 50, 20), step(2, 100, 21), step(4, 190, 25), step(8, 300, 60)]
"""A server that has not come to its end."""
MISSED = [*RISING, step(16, 310, 140), step(32, 312, 260)]
FELL = [*RISING, step(16, 210, 90), step(32, 205, 95)]


def test_the_knee_is_the_best_step_within_the_limit() -> None:
    assert knee(MISSED, LIMIT_MS) == RISING[-1]
    assert knee(MISSED, 50) == RISING[2]
    assert knee(MISSED, 1000) == MISSED[-1]
    assert knee(FELL, LIMIT_MS) == RISING[-1]
    assert knee(MISSED, 10) is None
    assert knee([], LIMIT_MS) is None


def test_the_search_ends_after_two_bad_steps_in_a_row() -> None:
    assert [bool(stop(MISSED[:n], LIMIT_MS)) for n in range(7)] == [False] * 6 + [True]
    assert [bool(stop(FELL[:n], LIMIT_MS)) for n in range(7)] == [False] * 6 + [True]
    assert stop(MISSED, LIMIT_MS) == "p95 was 260.0 ms with 32 users"
    assert stop(FELL, LIMIT_MS) == "32 users got 205.0/s, fewer got 300.0/s"


def test_one_bad_step_between_good_ones_ends_nothing() -> None:
    hiccup = [*RISING[:2], step(3, 20, 900), *RISING[2:]]
    assert not any(stop(hiccup[:n], LIMIT_MS) for n in range(len(hiccup) + 1))
    assert knee(hiccup, LIMIT_MS) == RISING[-1]


def test_failures_and_sheds_miss_whatever_the_latency() -> None:
    assert missed(step(4, 100, 5, failed=1), LIMIT_MS) == "1 of 1000 requests failed"
    assert missed(step(4, 100, 5, shed=11), LIMIT_MS) == "11 of 1000 requests were shed"
    assert missed(step(4, 100, 5, shed=10), LIMIT_MS) == ""
    assert missed(step(4, 0, math.nan), LIMIT_MS) == "p95 was nan ms"
    assert missed(step(4, 100, LIMIT_MS), LIMIT_MS) == ""


def test_the_knee_in_words() -> None:
    said = sentence(MISSED, LIMIT_MS, stop(MISSED, LIMIT_MS))
    assert said.startswith("knee: 300.0 right answers/s with 8 users at p95 60.0 ms, limit 100 ms;")
    assert said.endswith("stopped since p95 was 260.0 ms with 32 users")
    assert "held too, so more users may get more" in sentence(RISING, LIMIT_MS, "")
    assert sentence(MISSED[:5], LIMIT_MS, "").endswith("p95 was 140.0 ms with 16 users")
    none = sentence(MISSED, 10, "")
    assert none == "no knee: not even the first step held p95 ≤ 10 ms (p95 was 20.0 ms)"
    assert "no step came to its end" in sentence([], 10, "")


STEPS = st.lists(
    st.builds(
        Step,
        st.integers(1, 500),
        st.floats(0, 1e4),
        st.one_of(st.floats(0.1, 1e4), st.just(math.nan)),
        st.integers(0, 1000),
        st.integers(0, 2),
        st.integers(0, 20),
    ),
    max_size=8,
)


@given(STEPS, st.floats(1, 1e4))
def test_no_step_that_holds_is_better_than_the_knee(steps: list[Step], limit_ms: float) -> None:
    best = knee(steps, limit_ms)
    held = [step for step in steps if not missed(step, limit_ms)]
    assert (best is None) == (not held)
    if best is not None:
        assert best in held
        assert all(step.rate <= best.rate for step in held)
    if stop(steps, limit_ms):
        top = max(step.rate for step in steps)
        last = steps[-PATIENCE:]
        assert all(missed(s, limit_ms) for s in last) or all(s.rate < FALLEN * top for s in last)


def test_steps_come_from_the_settled_part_of_each_phase() -> None:
    rows = [Outcome("http shift", 0.1, 900.0, "ok", "")]
    rows += [Outcome("http shift", second / 10, 10.0, "ok", "") for second in range(20, 100)]
    rows += [Outcome("http shift", second / 10, 30.0, "ok", "") for second in range(120, 200)]
    rows.append(Outcome("http shift", 15.0, 5.0, "shed", "status 429"))
    outcomes = Outcomes(20.0, tuple(rows), (Span("a", 1, 0, 10), Span("b", 2, 10, 20)))
    first, second = steps_of(outcomes)
    assert first == Step(1, 10.0, 10.0, 80, 0, 0)
    assert second == Step(2, 10.0, 30.0, 81, 0, 1)

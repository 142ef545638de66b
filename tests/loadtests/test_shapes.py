"""Phases of each shape, and the bound on all steps together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.shapes import MAX_STEPS_S, SHAPES, STEP_S, STEPS, Phase, phases


def test_steady_and_spike_and_soak() -> None:
    assert phases("steady", 16, 20) == (Phase("steady", 16, 20),)
    before, spike, after = phases("spike", 4, 30)
    assert (before, spike, after) == (
        Phase("before", 4, 10),
        Phase("spike", 32, 10),
        Phase("after", 4, 10),
    )
    quarters = phases("soak", 5, 240)
    assert [(phase.users, phase.seconds) for phase in quarters] == [(5, 60)] * 4
    assert quarters[-1].name == "quarter 4 of 4"


def test_steps_go_up_to_the_users_that_were_asked_for() -> None:
    assert [phase.users for phase in phases("steps", 10, 6)] == [1, 2, 3, 4, 6, 8]
    assert [phase.users for phase in phases("steps", STEPS[-1], STEP_S)] == list(STEPS)
    assert [phase.users for phase in phases("steps", 256, 50)] == [1, 2, 3]


@given(st.integers(1, 1000), st.floats(0.5, MAX_STEPS_S))
def test_steps_end_in_time_and_go_up(users: int, seconds: float) -> None:
    steps = phases("steps", users, seconds)
    counts = [step.users for step in steps]
    assert counts == sorted(set(counts))
    assert 1 <= counts[-1] <= users
    assert sum(step.seconds for step in steps) <= MAX_STEPS_S


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"step of 200 s is longer.*\(150 s\).*steady"):
        phases("steps", 8, 200)
    with pytest.raises(ValueError, match=r"no shape 'ramp'; take one of " + ", ".join(SHAPES)):
        phases("ramp", 8, 10)

"""The pilot under a clock moved by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtests.checks import ModelFacts
from loadtests.examples import Examples
from loadtests.outcomes import Outcome, Outcomes, Span
from loadtests.pilot import MAX_DRAIN_S, Pilot
from loadtests.plan import Plan
from loadtests.shapes import phases

if TYPE_CHECKING:
    from loadtests.shapes import Phase

MODEL = ModelFacts("flat", "1", height=16, width=16, channels=3, latent=3, attributes=())


def plan(planned: tuple[Phase, ...], p95_ms: float | None = None) -> Plan:
    tasks = {"http": {"decode": 1}}
    return Plan("http://x", "x:1", tasks, planned, p95_ms, Examples(MODEL, ()))  # type: ignore[arg-type]


def fly(pilot: Pilot, rows: tuple[Outcome, ...], until: int) -> list[int | None]:
    """Ask once a second from second 1000 on; users follow at once, and leave one second later."""
    wanted: list[int | None] = []
    users = 0
    for now in range(1000, 1000 + until):
        spans = pilot.spans(now)
        answer = pilot.tick(now, users, lambda spans=spans: Outcomes(0, rows, spans))  # type: ignore[misc]
        wanted.append(answer)
        if answer is None:
            break
        users = answer
    return wanted


def test_phases_follow_each_other_and_the_run_ends_without_users() -> None:
    pilot = Pilot(plan(phases("spike", 2, 9)))
    assert fly(pilot, (), 20) == [2, 2, 2, 16, 16, 16, 2, 2, 2, 0, None]
    assert pilot.spans(5000) == (
        Span("before", 2, 0, 3),
        Span("spike", 16, 3, 6),
        Span("after", 2, 6, 9),
    )
    assert pilot.begun_s == 1000
    assert pilot.stopped == ""


def test_users_that_do_not_leave_are_not_waited_for_for_ever() -> None:
    pilot = Pilot(plan(phases("steady", 1, 2)))
    asked = [pilot.tick(now, 1, lambda: Outcomes(0, ())) for now in range(100)]
    assert asked[:3] == [1, 1, 0]
    assert asked.index(None) == 2 + MAX_DRAIN_S


def rows_of(ms_by_second: list[float]) -> tuple[Outcome, ...]:
    return tuple(
        Outcome("http decode", second + tenth / 10, ms, "ok", "")
        for second, ms in enumerate(ms_by_second)
        for tenth in range(10)
    )


def test_steps_end_once_the_p95_is_missed_twice() -> None:
    rows = rows_of([5, 5, 5, 5, 80, 80, 90, 90, 99, 99])
    pilot = Pilot(plan(phases("steps", 6, 2), p95_ms=50))
    assert fly(pilot, rows, 20) == [1, 1, 2, 2, 3, 3, 4, 4, 0, None]
    assert pilot.stopped == "p95 was 90.0 ms with 4 users"
    assert [span.users for span in pilot.spans(5000)] == [1, 2, 3, 4]


def test_without_a_limit_all_steps_are_made() -> None:
    pilot = Pilot(plan(phases("steps", 6, 1)))
    assert fly(pilot, rows_of([999.0] * 9), 20) == [1, 2, 3, 4, 6, 0, None]
    assert pilot.stopped == ""


def test_what_is_not_known_yet_does_not_count() -> None:
    # From the second step on the last second of each has not been told yet, as if the rate fell.
    rows = tuple(row for row in rows_of([5.0] * 40) if row.at_s % 4 < 3 or row.at_s < 4)
    sure = Pilot(plan(phases("steps", 8, 4), p95_ms=50), lag_s=1.0)
    fly(sure, rows, 40)
    assert sure.stopped == ""
    hasty = Pilot(plan(phases("steps", 8, 4), p95_ms=50))
    fly(hasty, rows, 40)
    assert "fewer got" in hasty.stopped

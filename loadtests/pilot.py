"""Goes through the phases of a run, and ends it early once the knee is found.

    time, Outcomes so far → users wanted now | None when all is over;  → Spans of what was done

Knows no Locust: `loadtests.users` asks it once a second.

1. A run ends with no user left, so that requests under way are answered and counted.
2. Phases last as long as they were planned, or up to one tick longer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from loadtests import knee
from loadtests.outcomes import Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtests.outcomes import Outcomes
    from loadtests.plan import Plan

MAX_DRAIN_S = 30.0


class Pilot:
    """One run; times are seconds of any clock."""

    def __init__(self, plan: Plan, lag_s: float = 0.0) -> None:
        """Plan a run.

        Args:
            plan: Its phases, and the p95 to hold.
            lag_s: What happened in the last so many seconds may not be known yet.
        """
        self._plan = plan
        self._lag_s = lag_s
        self._done: list[Span] = []
        self._begun_s = 0.0
        self._phase_s = 0.0
        self._place = -1
        self._stopped = ""

    @property
    def stopped(self) -> str:
        """Why phases are left out; empty if none is."""
        return self._stopped

    @property
    def begun_s(self) -> float:
        """When the first phase began."""
        return self._begun_s

    def tick(self, now: float, users: int, so_far: Callable[[], Outcomes]) -> int | None:
        """How many users there should be.

        Args:
            now: The time.
            users: How many there are.
            so_far: What came until now, with `spans`.

        Returns:
            None once the run is over.
        """
        phases = self._plan.phases
        if self._place < 0:
            self._begun_s = self._phase_s = now
            self._place = 0
        elif self._place < len(phases) and now - self._phase_s >= phases[self._place].seconds:
            self._done = list(self.spans(now))
            self._stopped = self._enough(so_far)
            self._place = len(phases) if self._stopped else self._place + 1
            self._phase_s = now
        if self._place < len(phases):
            return phases[self._place].users
        return 0 if users and now - self._phase_s < MAX_DRAIN_S else None

    def spans(self, now: float) -> tuple[Span, ...]:
        """The phases until ``now``, the present one included; seconds of the run."""
        if not 0 <= self._place < len(self._plan.phases):
            return tuple(self._done)
        phase = self._plan.phases[self._place]
        begin, end = self._phase_s - self._begun_s, now - self._begun_s
        return (*self._done, Span(phase.name, phase.users, begin, end))

    def _enough(self, so_far: Callable[[], Outcomes]) -> str:
        if self._plan.p95_ms is None or self._place == len(self._plan.phases) - 1:
            return ""
        outcomes = so_far()
        known = tuple(
            span._replace(to_s=max(span.from_s, span.to_s - self._lag_s)) for span in self._done
        )
        return knee.stop(knee.steps_of(replace(outcomes, spans=known)), self._plan.p95_ms)

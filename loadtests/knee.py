"""The highest rate that holds a p95: pure functions on the figures of steps of users.

    Step, Step, … + limit → go on or stop, and why → the knee

1. A step holds if something came, nothing failed, hardly anything was shed, and its p95 is within
   the limit.
2. One bad step proves nothing on a machine that does other work too: `PATIENCE` in a row do.
3. The knee is the step of the highest rate among those that hold, whichever came last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.outcomes import Outcomes

PATIENCE = 2
FALLEN = 0.9
"""A step below this share of the best rate so far is one where throughput fell."""
MAX_SHED = 0.01


class Step(NamedTuple):
    """One number of users, and what came of it; p95 in milliseconds, NaN if nothing was right."""

    users: int
    rate: float
    p95_ms: float
    requests: int
    failed: int
    shed: int


def steps_of(outcomes: Outcomes) -> list[Step]:
    """The figures of each phase as a step."""
    return [
        Step(span.users, row.per_second, row.p95_ms, row.requests, row.failed, row.shed)
        for span, row in outcomes.phases()
    ]


def missed(step: Step, limit_ms: float) -> str:
    """Why ``step`` does not hold the limit; empty if it does."""
    if step.failed:
        return f"{step.failed} of {step.requests} requests failed"
    if step.shed > MAX_SHED * step.requests:
        return f"{step.shed} of {step.requests} requests were shed"
    # So written, NaN is missed too.
    if not step.p95_ms <= limit_ms:
        return f"p95 was {step.p95_ms:.1f} ms"
    return ""


def stop(steps: Sequence[Step], limit_ms: float) -> str:
    """Why more users would be pointless after ``steps``; empty if they would not be."""
    last = steps[-PATIENCE:]
    if len(last) < PATIENCE:
        return ""
    if all(missed(step, limit_ms) for step in last):
        return f"{missed(last[-1], limit_ms)} with {_users(last[-1])}"
    best = max(step.rate for step in steps)
    if all(step.rate < FALLEN * best for step in last):
        return f"{_users(last[-1])} got {last[-1].rate:.1f}/s, fewer got {best:.1f}/s"
    return ""


def knee(steps: Sequence[Step], limit_ms: float) -> Step | None:
    """The step of the highest rate among those that hold; None if none does."""
    held = [step for step in steps if not missed(step, limit_ms)]
    return max(held, key=lambda step: (step.rate, -step.users), default=None)


def sentence(steps: Sequence[Step], limit_ms: float, stopped: str) -> str:
    """The knee in words, and what ended the search: `stop` said ``stopped``, or all steps were."""
    best = knee(steps, limit_ms)
    if best is None:
        why = missed(steps[0], limit_ms) if steps else "no step came to its end"
        return f"no knee: not even the first step held p95 ≤ {limit_ms:g} ms ({why})"
    words = (
        f"knee: {best.rate:.1f} right answers/s with {_users(best)} "
        f"at p95 {best.p95_ms:.1f} ms, limit {limit_ms:g} ms"
    )
    if stopped:
        return f"{words}; stopped since {stopped}"
    beyond = missed(steps[-1], limit_ms)
    if beyond:
        return f"{words}; {beyond} with {_users(steps[-1])}"
    return f"{words}; the last step held too, so more users may get more"


def _users(step: Step) -> str:
    return "1 user" if step.users == 1 else f"{step.users} users"

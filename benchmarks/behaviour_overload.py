"""The part of `benchmarks.behaviour` that asks for twice the best rate, whatever is answered.

    Bench → best rate, pulse, best rate, pulse, …, best rate → Overload of each pulse
          → medians over the pulses → checks, table

1. Each pulse is compared with the best rate just before it and just after it: that of a machine
   shared with others changes by a tenth from minute to minute.
2. Otherwise as `benchmarks.behaviour_parts`.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks import behaviour_report as report
from benchmarks.behaviour_figures import Overload, overload
from benchmarks.open_loop import Patience, arrive
from benchmarks.queueing import poisson
from inference.cores import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.behaviour_parts import Bench, Part
    from benchmarks.behaviour_report import Check, Table
    from benchmarks.open_loop import Arrived

BEST_CALLERS = 64
CALM = 0.4
"""Of the best rate, after each overload: as much again may come back."""
RAMP = 1.5
"""Of the time that a full queue takes, before the overload counts."""
SLACK = 256
"""Connections beside those that wait in a full queue: in batches, refused, on the way."""


def overloaded(bench: Bench) -> Part:
    """Twice the best rate whatever is answered, then a calm in which some come back."""
    found = list(_pulses(bench))
    return overload_checks(found), [_overload_table(found)]


def overload_checks(found: Sequence[Overload]) -> list[Check]:
    """What is wanted of an overloaded server, the median of its pulses."""

    def middle(figure: Callable[[Overload], float]) -> float:
        return _middle(found, figure)

    checks = [
        report.at_least(
            "overload: accepted rate / best rate", middle(Overload.accepted_share), 0.95
        ),
        report.told(
            "overload: the same for each core that the clients left",
            f"{middle(lambda each: each.accepted_share(available_cores())):.2f}",
        ),
        report.at_most(
            "overload: median time of a refusal, ms", middle(lambda each: each.refusal_ms), 10
        ),
        report.at_most(
            "overload: p99 of the accepted / what a full queue takes",
            middle(lambda each: each.accepted_p99_ms / each.bound_ms),
            2,
        ),
        report.at_most(
            "overload: answers other than 200, 429, 503", sum(each.strange for each in found), 0, 0
        ),
        report.between(
            "overload: `retry_after_s` / what a full queue takes",
            middle(lambda each: 1000 * each.told_s / each.bound_ms),
            0.5,
            2,
        ),
    ]
    for way, (came, got_in) in _came_back(found).items():
        question = f"after overload: share let in of {came} that waited for {way}"
        checks.append(report.at_least(question, got_in / came if came else math.nan, 0.95))
    return checks


def _pulses(bench: Bench) -> Iterator[Overload]:
    plan, decode = bench.plan, bench.single["decode"]
    best = bench.load(decode, BEST_CALLERS, plan.seconds / 2)
    for seed in range(plan.pulses):
        rate = len(best.times_s) / best.seconds
        # At twice the rate that leaves it, the queue is full after what it holds takes to leave.
        ramp_s = RAMP * plan.max_queue_size / rate
        ends_s = ramp_s + plan.seconds
        pulse = _pulse(bench, rate, ends_s, seed)
        before, best = best, bench.load(decode, BEST_CALLERS, plan.seconds / 2)
        yield overload((before, best), pulse, plan.max_queue_size, ramp_s=ramp_s, ends_s=ends_s)


def _pulse(bench: Bench, rate: float, ends_s: float, seed: int) -> Arrived:
    queue = bench.plan.max_queue_size
    # Until the last who may come back has done so: Retry-After is in whole seconds.
    calm_s = queue / rate + 2.0
    arrivals = [
        *_within(2 * rate, 0.0, ends_s, 2 * seed),
        *_within(CALM * rate, ends_s, calm_s, 2 * seed + 1),
    ]
    what = (bench.served.http, bench.single["decode"], arrivals, queue + SLACK, Patience(ends_s))
    return bench.pool.submit(arrive, *what).result()


def _within(rate: float, begin_s: float, seconds: float, seed: int) -> list[float]:
    """Poisson arrivals from ``begin_s`` on."""
    count = math.ceil(1.5 * rate * seconds) + 10
    return [begin_s + at for at in poisson(rate, count, seed) if at < seconds]


def _overload_table(found: Sequence[Overload]) -> Table:
    def shown(figure: Callable[[Overload], float], digits: int) -> str:
        return f"{_middle(found, figure):.{digits}f}"

    counts: Counter[int] = Counter()
    for each in found:
        counts.update(each.statuses)
    statuses = ", ".join(f"{count} × {status}" for status, count in sorted(counts.items()))
    came_back = "; ".join(
        f"{way}: {got_in} of {came}" for way, (came, got_in) in _came_back(found).items()
    )
    shares = sorted(each.accepted_share() for each in found)
    rows = [
        (
            f"best rate, {BEST_CALLERS} callers, answers/s",
            shown(lambda each: each.best_rate, 0),
        ),
        ("arrivals/s", shown(lambda each: each.offered_rate, 0)),
        ("accepted, answers/s", shown(lambda each: each.accepted_rate, 0)),
        ("accepted / best, lowest to highest pulse", f"{shares[0]:.2f} to {shares[-1]:.2f}"),
        ("share refused", shown(lambda each: each.refused_share, 2)),
        ("refusal, median ms", shown(lambda each: each.refusal_ms, 1)),
        ("accepted, p99 ms", shown(lambda each: each.accepted_p99_ms, 0)),
        ("a full queue at the best rate, ms", shown(lambda each: each.bound_ms, 0)),
        ("`retry_after_s`, median", shown(lambda each: each.told_s, 2)),
        ("statuses", statuses),
        ("came back and got in", came_back),
        ("arrivals sent late, p99 ms", shown(lambda each: each.late_p99_ms, 1)),
        (
            "cores used by the client: at the best rate",
            shown(lambda each: each.best_client_cores, 2),
        ),
        (
            "cores used by the client: overload and calm",
            shown(lambda each: each.client_cores, 2),
        ),
    ]
    return report.Table("Overload: twice the best rate, one latent to PNG", ("what", "found"), rows)


def _middle(found: Sequence[Overload], figure: Callable[[Overload], float]) -> float:
    """The median of the pulses in which there is something to be found; else NaN."""
    values = [value for each in found if not math.isnan(value := figure(each))]
    return statistics.median(values) if values else math.nan


def _came_back(found: Sequence[Overload]) -> dict[str, tuple[int, int]]:
    """By what they waited for, how many came back after any pulse and how many got in."""
    return {
        way: (
            sum(each.came_back[way][0] for each in found),
            sum(each.came_back[way][1] for each in found),
        )
        for way in found[0].came_back
    }

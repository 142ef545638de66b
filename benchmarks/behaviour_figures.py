"""What the observations of `benchmarks.behaviour` come to: tails, drifts, an overload's figures.

    times → Tail;  tenths → drift;  best rate, one pulse of arrivals → Overload

Knows no server and no clock; seconds come in, milliseconds stand in names.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.load import OK, REFUSALS
from benchmarks.measuring import HIGH, percentile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.load import Load
    from benchmarks.open_loop import Answered, Arrived

HIGHEST = 0.99


@dataclass(frozen=True)
class Tail:
    """How long answers took, and how many came.

    Attributes:
        rate: Right answers a second.
        p50_ms: Half took at most so long.
        p95_ms: 95 of 100.
        p99_ms: 99 of 100.
    """

    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def ratio(self) -> float:
        """p99 over p50."""
        return self.p99_ms / self.p50_ms


@dataclass(frozen=True)
class Tenth:
    """A tenth of the soak.

    Attributes:
        times_s: By operation, of each right answer.
        seconds: By operation, how long it was asked for.
        resident_bytes: Of all the server's processes at its end.
    """

    times_s: Mapping[str, Sequence[float]]
    seconds: Mapping[str, float]
    resident_bytes: int

    def tail(self, operation: str) -> Tail:
        """Of one operation."""
        return tail(self.times_s[operation], self.seconds[operation])


@dataclass(frozen=True)
class Overload:
    """What twice the best rate came to.

    Attributes:
        best_rate: Right answers a second of a closed loop.
        offered_rate: Arrivals a second.
        accepted_rate: Right answers a second while the overload lasted, without its ramp.
        refused_share: Of the arrivals after the ramp.
        refusal_ms: Median time of a refusal; NaN if there was none.
        accepted_p99_ms: 99 of 100 right answers took at most so long.
        bound_ms: What a full queue takes at the best rate.
        told_s: Median ``retry_after_s``; NaN if nobody was refused.
        late_p99_ms: 99 of 100 arrivals were sent at most so late.
        statuses: How many answers had each status.
        came_back: By what they waited for, how many came back and how many of these got in.
        client_cores: That the arrivals' client used, on average over overload and calm.
        best_client_cores: That the closed loop's client used.
    """

    best_rate: float
    offered_rate: float
    accepted_rate: float
    refused_share: float
    refusal_ms: float
    accepted_p99_ms: float
    bound_ms: float
    told_s: float
    late_p99_ms: float
    statuses: Mapping[int, int]
    came_back: Mapping[str, tuple[int, int]]
    client_cores: float
    best_client_cores: float

    def accepted_share(self, cores: float = math.inf) -> float:
        """Accepted rate over best rate; with ``cores`` for each core that the clients left."""
        left = 1.0
        if math.isfinite(cores):
            left = (cores - self.client_cores) / (cores - self.best_client_cores)
        return self.accepted_rate / self.best_rate / left

    @property
    def strange(self) -> int:
        """Answers that are neither right nor refusals."""
        return sum(
            count for status, count in self.statuses.items() if status not in {OK, *REFUSALS}
        )


def tail(times_s: Sequence[float], seconds: float) -> Tail:
    """The tail of answers that came within so many seconds.

    Raises:
        ValueError: There are no answers.
    """
    p50, p95, p99 = (1000 * percentile(times_s, share) for share in (0.5, HIGH, HIGHEST))
    return Tail(len(times_s) / seconds, p50, p95, p99)


def drift(values: Sequence[float]) -> float:
    """The median of the last three over that of the first three; 1 is flat.

    Raises:
        ValueError: There are none.
    """
    if not values:
        raise ValueError("there is nothing that could drift; measure at least one tenth")
    return statistics.median(values[-3:]) / statistics.median(values[:3])


def overload(
    best: Sequence[Load],
    pulse: Arrived,
    max_queue_size: int,
    *,
    ramp_s: float,
    ends_s: float,
) -> Overload:
    """What one pulse of overload came to.

    Args:
        best: Closed loops with the best rate, just before the pulse and just after it.
        pulse: Arrivals from 0 to ``ends_s`` at the same rate, and perhaps fewer later.
        max_queue_size: Of the server.
        ramp_s: Until when the queue fills, and neither rate nor refusals count.
        ends_s: How long the overload lasted.

    Raises:
        ValueError: Nothing was accepted.
    """
    best_s = sum(each.seconds for each in best)
    best_rate = sum(len(each.times_s) for each in best) / best_s
    during = [each for each in pulse.first if each.due_s < ends_s]
    steady = [each for each in during if each.due_s >= ramp_s]
    refused = [each for each in during if each.reply.status in REFUSALS]
    accepted = [each.reply.seconds for each in during if each.reply.status == OK]
    landed = [
        each for each in during if each.reply.status == OK and ramp_s <= each.ended_s < ends_s
    ]
    everybody = (*pulse.first, *pulse.header, *pulse.fine)
    return Overload(
        best_rate=best_rate,
        offered_rate=len(during) / ends_s,
        accepted_rate=len(landed) / (ends_s - ramp_s),
        refused_share=sum(each.reply.status in REFUSALS for each in steady) / max(1, len(steady)),
        refusal_ms=1000 * _median([each.reply.seconds for each in refused]),
        accepted_p99_ms=1000 * percentile(accepted, HIGHEST),
        bound_ms=1000 * max_queue_size / best_rate,
        told_s=_median([each.reply.fine_s for each in refused]),
        late_p99_ms=1000 * percentile([each.late_s for each in during], HIGHEST),
        statuses=dict(sorted(Counter(each.reply.status for each in everybody).items())),
        came_back={"Retry-After": _got_in(pulse.header), "retry_after_s": _got_in(pulse.fine)},
        client_cores=pulse.client_s / max(each.ended_s for each in pulse.first),
        best_client_cores=sum(each.client_s for each in best) / best_s,
    )


def _got_in(answers: Sequence[Answered]) -> tuple[int, int]:
    return len(answers), sum(each.reply.status == OK for each in answers)


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan

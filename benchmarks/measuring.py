"""What is made of measurements: percentiles, medians over rounds, and the order of the rounds.

    times [n] → percentile;  Measure by round → Summary;  works, rounds → works in turns

Knows no server and no clock.

1. A round goes through all works before the next begins, and each begins at another one: a machine
   that slows down for a while slows all of them alike, and none always follows the same neighbour.
2. Medians are taken of each figure for itself, so one bad round spoils none of them.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")
HIGH = 0.95


@dataclass(frozen=True)
class Measure:
    """One run of one thing.

    Attributes:
        rate: Images a second.
        p50_ms: Half of the requests took at most so long; NaN where there are no requests.
        p95_ms: As above, 95 of 100.
        core_ms: CPU milliseconds of the measured process for each image.
    """

    rate: float
    p50_ms: float
    p95_ms: float
    core_ms: float


@dataclass(frozen=True)
class Summary:
    """Several runs of one thing: the median of each figure, and how far the rates lie apart.

    Attributes:
        rate: As in `Measure`, the median; the same for the next three.
        p50_ms: Median.
        p95_ms: Median.
        core_ms: Median.
        lowest: Rate of the slowest round.
        highest: Rate of the fastest round.
    """

    rate: float
    p50_ms: float
    p95_ms: float
    core_ms: float
    lowest: float
    highest: float


def percentile(times: Sequence[float], share: float) -> float:
    """The smallest of ``times`` that at least ``share`` (above 0, up to 1) of them do not exceed.

    Nearest rank: always one of the times, never a value between two.

    Raises:
        ValueError: There are no times, or the share is outside its range.
    """
    if not times:
        raise ValueError("there are no times to take a percentile of; measure for longer")
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; it must lie above 0 and at most at 1")
    # Of 100 times the 95th; rounded first, since 0.95 · 100 is a little more than 95.
    rank = -int(-round(share * len(times), 9) // 1)
    return sorted(times)[rank - 1]


def summarise(measures: Sequence[Measure]) -> Summary:
    """Medians over rounds.

    Raises:
        ValueError: There is no round.
    """
    if not measures:
        raise ValueError("there is no round to summarise; run at least one")
    rates = [each.rate for each in measures]
    return Summary(
        rate=statistics.median(rates),
        p50_ms=statistics.median(each.p50_ms for each in measures),
        p95_ms=statistics.median(each.p95_ms for each in measures),
        core_ms=statistics.median(each.core_ms for each in measures),
        lowest=min(rates),
        highest=max(rates),
    )


def in_turns(works: Sequence[T], rounds: int) -> Iterator[T]:
    """Every work once a round, each round beginning somewhere else."""
    for number in range(rounds):
        first = number * len(works) // rounds
        yield from works[first:]
        yield from works[:first]

"""A simulation of one worker: Poisson arrivals, an event loop, a micro-batcher, threads on cores.

    arrivals → loop (parse) → queue → batch [≤ max_batch_size] → graph thread → loop (answer) → done

Knows no clock and no server: times go in as measured elsewhere, in seconds, and come out simulated.

1. While a graph thread is free, what is queued leaves at once; while none is, the queue grows into
   the next batch: the rule of `inference.batching`, without delay, deadlines and limits.
2. The loop is one thread, first come, first served. A batch's thread is free again only once the
   loop has seen to its end, as in the server.
3. Threads that have work share the cores evenly: with more of them than cores, all slow down alike.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TINY_S = 1e-9
"""Less than this is no work: differences of times round."""


@dataclass(frozen=True)
class Worker:
    """What is known of one worker.

    Attributes:
        graph_s: Seconds of one core for a batch of so many items.
        parse_s: Seconds of the loop for a request that comes in, codecs included.
        answer_s: Seconds of the loop for an answer that goes out, codecs included.
        threads: Batches that run at once.
        cores: Cores that loop and threads share.
        max_batch_size: Items of a batch.
    """

    graph_s: Callable[[int], float]
    parse_s: float
    answer_s: float
    threads: int = 1
    cores: int = 1
    max_batch_size: int = 32


@dataclass
class Outcome:
    """What a simulation saw.

    Attributes:
        sizes: Items of each batch.
        waits_s: How long the oldest item of each batch was queued, in seconds.
        times_s: From each request's arrival to its answer, in seconds.
    """

    sizes: list[int] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)


def poisson(rate: float, count: int, seed: int = 0) -> list[float]:
    """Arrival times in seconds, ascending: gaps are exponential with mean 1 / ``rate``."""
    generator = random.Random(seed)  # noqa: S311  (arrivals, not secrets)
    arrivals, now = [], 0.0
    for _ in range(count):
        now += generator.expovariate(rate)
        arrivals.append(now)
    return arrivals


def simulate(worker: Worker, arrivals: Sequence[float]) -> Outcome:
    """Run requests of one item through ``worker``, until all are answered.

    Args:
        worker: The worker.
        arrivals: When each request comes, in seconds, ascending.
    """
    return _Run(worker, arrivals).to_the_end()


def interpolate(points: dict[int, float]) -> Callable[[int], float]:
    """Straight lines between measured batch sizes; beyond them, the nearest one's time per item."""
    sizes = sorted(points)

    def at(size: int) -> float:
        if size in points:
            return points[size]
        low = max((known for known in sizes if known < size), default=None)
        high = min((known for known in sizes if known > size), default=None)
        if low is None or high is None:
            nearest = sizes[0] if low is None else sizes[-1]
            return points[nearest] * size / nearest
        share = (size - low) / (high - low)
        return points[low] + share * (points[high] - points[low])

    return at


@dataclass
class _Job:
    """Work of one thread: ``then`` is called when its seconds are used up."""

    left_s: float
    then: Callable[[], None]


class _Run:
    def __init__(self, worker: Worker, arrivals: Sequence[float]) -> None:
        self._worker = worker
        self._coming = deque(arrivals)
        self._now = 0.0
        self._loop: deque[_Job] = deque()
        self._running: list[_Job] = []
        self._taken = 0
        self._queued: deque[tuple[float, float]] = deque()  # arrival, since when in the queue
        self._seen = Outcome()

    def to_the_end(self) -> Outcome:
        while self._coming or self._loop or self._running:
            self._step()
        return self._seen

    def _step(self) -> None:
        """Go on to the next arrival or the next end of a job, whichever comes first."""
        active = [*([self._loop[0]] if self._loop else ()), *self._running]
        speed = min(1.0, self._worker.cores / len(active)) if active else 1.0
        ends = self._now + min((job.left_s for job in active), default=math.inf) / speed
        comes = self._coming[0] if self._coming else math.inf
        passed = min(ends, comes) - self._now
        self._now = min(ends, comes)
        for job in active:
            job.left_s -= passed * speed
        if comes <= ends:
            self._arrive(self._coming.popleft())
            return
        if self._loop and self._loop[0].left_s <= _TINY_S:
            self._loop.popleft().then()
        for job in [job for job in self._running if job.left_s <= _TINY_S]:
            self._running.remove(job)
            job.then()

    def _arrive(self, arrival: float) -> None:
        def submit() -> None:
            self._queued.append((arrival, self._now))
            self._dispatch()

        self._loop.append(_Job(self._worker.parse_s, submit))

    def _dispatch(self) -> None:
        while self._queued and self._taken < self._worker.threads:
            size = min(len(self._queued), self._worker.max_batch_size)
            batch = [self._queued.popleft() for _ in range(size)]
            self._seen.sizes.append(size)
            self._seen.waits_s.append(self._now - batch[0][1])
            self._taken += 1
            self._running.append(_Job(self._worker.graph_s(size), self._ended(batch)))

    def _ended(self, batch: list[tuple[float, float]]) -> Callable[[], None]:
        def free() -> None:
            self._taken -= 1
            self._dispatch()

        def answer(arrival: float) -> Callable[[], None]:
            return lambda: self._seen.times_s.append(self._now - arrival)

        def tell() -> None:
            self._loop.append(_Job(0.0, free))
            for arrival, _ in batch:
                self._loop.append(_Job(self._worker.answer_s, answer(arrival)))

        return tell

"""A sweep over settings on this machine, with a real server on loopback for each of them.

    bundle, mix, p95 limit → for each setting: `latentserve serve` ← callers 1, 8, 32, 128 → trials

Callers run on the same cores as the server and take their share, as they would not where they
are on other machines: the order of settings holds, the rates are low.

1. It ends in time: once the budget is spent, what is left is not tried, and that is said.
2. Every setting that was tried has a trial for each number of callers.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import exchanges
from benchmarks.choice import Settings, Trial, choose, first_stage, later_stages, quickest
from benchmarks.load import drive
from benchmarks.measuring import HIGH, percentile
from benchmarks.servers import START_S, ended_by_sigterm, latentserve
from bundle import open_bundle
from loadtests.client import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.load import Exchange, Load
    from benchmarks.servers import Served

CALLERS = (1, 8, 32, 128)
WARM_UP_S = 0.3


@dataclass(frozen=True)
class Sweep:
    """What is to be tried and for how long.

    Attributes:
        bundle: Folder of the bundle that is served.
        device: cpu, cuda or auto.
        mix: How often each operation comes.
        p95_ms: What the chosen settings must keep to.
        budget_s: When to stop beginning further settings.
        seconds: Of each measurement.
        callers: How many at a time, one measurement for each.
        cores: Of this machine.
    """

    bundle: Path
    device: str
    mix: Mapping[str, int]
    p95_ms: float
    budget_s: float
    seconds: float
    cores: int
    callers: Sequence[int] = CALLERS


@dataclass
class Swept:
    """What came of it.

    Attributes:
        trials: In the order in which they were made.
        skipped: Settings that the budget left no time for.
    """

    trials: list[Trial] = field(default_factory=list)
    skipped: list[Settings] = field(default_factory=list)


def sweep(given: Sweep, tell: Callable[[Trial], None]) -> Swept:
    """Try the settings one after the other.

    Args:
        given: What to try.
        tell: Told of every trial at once.

    Raises:
        ServerError: A server did not start, or only refused.
        WrongAnswer: One answered with neither an answer nor a refusal.
        ValueError: The mix names an operation that the model does not have.
    """
    requests = exchanges.mixed(exchanges.material(open_bundle(given.bundle)), given.mix)
    ends, found = time.monotonic() + given.budget_s, Swept()
    with (
        ended_by_sigterm(),
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
    ):
        for settings in _stages(given, found):
            if found.trials and time.monotonic() > ends:
                found.skipped.append(settings)
                continue
            options = ("--device", given.device, *settings.flags())
            with latentserve(given.bundle, Path(folder), *options) as served:
                for trial in _trials(given, settings, served, requests, pool):
                    found.trials.append(trial)
                    tell(trial)
    return found


def _stages(given: Sweep, found: Swept) -> Iterator[Settings]:
    yield from first_stage(given.cores)
    stage = 0
    while True:
        # Asked for only when the stage before has been tried.
        best = choose(found.trials, given.p95_ms) or quickest(found.trials)
        further = later_stages(best.settings, stage)
        if not further:
            return
        yield from further
        stage += 1


def _trials(
    given: Sweep,
    settings: Settings,
    served: Served,
    requests: Sequence[Exchange],
    pool: ProcessPoolExecutor,
) -> Iterator[Trial]:
    def load(callers: int, seconds: float) -> Load:
        return pool.submit(drive, served.http, requests, callers, seconds).result()

    # Ready is told by one worker; the others may still refuse.
    deadline = time.monotonic() + START_S
    while load(8 * settings.workers, WARM_UP_S).refused:
        if time.monotonic() > deadline:
            raise ServerError(f"the server refuses every few requests with {settings}")
    for callers in given.callers:
        before = served.cpu_s()
        seen = load(callers, given.seconds)
        used = served.cpu_s() - before
        if not seen.times_s:
            raise ServerError(f"the server refused all {seen.refused} requests with {settings}")
        yield Trial(
            settings=settings,
            callers=callers,
            rate=len(seen.times_s) / seen.seconds,
            p50_ms=1000 * percentile(seen.times_s, 0.5),
            p95_ms=1000 * percentile(seen.times_s, HIGH),
            refused=seen.refused,
            cores=used / seen.seconds,
        )

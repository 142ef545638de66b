"""The parts of `benchmarks.behaviour`: what each sends to the server, and what is wanted of it.

    Bench(server, requests, callers) → part → checks, tables

Knows how to load a server, not how to start one nor how a report looks.

1. A part leaves the server as it found it: nothing on its way, nothing queued.
2. Callers that are measured beside others have a process of their own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import behaviour_report as report
from benchmarks import exchanges
from benchmarks.behaviour_figures import Tail, Tenth, drift, tail
from benchmarks.ceiling import CODEC, ceilings
from benchmarks.load import drive
from benchmarks.measuring import percentile
from benchmarks.open_loop import keep_busy
from loadtests.client import ServerError
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import ProcessPoolExecutor
    from pathlib import Path

    from benchmarks.behaviour_report import Check, Table
    from benchmarks.load import Exchange, Load
    from benchmarks.servers import Served
    from bundle import Bundle

    Part = tuple[list[Check], list[Table]]

CALLERS, BURST_CALLERS, BULK_CALLERS = 32, 128, 64
OPERATIONS = ("encode", "decode")
BULK_SOURCE = "127.0.0.2"
"""Fairness goes by address; Linux has all of 127.0.0.0/8 on loopback."""
HEAD_START_S = 0.5
ROUNDS = 3
TENTHS = 10
WARM_UP_S = 0.3


@dataclass(frozen=True)
class Plan:
    """What is served, and how long each part takes.

    Attributes:
        bundle: Folder of the bundle.
        seconds: Of each measurement but the soak.
        soak_s: Of the soak, both operations together.
        starts: How often the server is started.
        pulses: How often it is overloaded.
        max_queue_size: Of the server.
    """

    bundle: Path
    seconds: float = 5.0
    soak_s: float = 600.0
    starts: int = 3
    pulses: int = 5
    max_queue_size: int = Settings.model_fields["max_queue_size"].default

    def options(self) -> tuple[str, ...]:
        """Of ``latentserve serve``."""
        # A request may not be larger than the queue.
        items = min(Settings.model_fields["max_items"].default, self.max_queue_size)
        size = ("--max-queue-size", str(self.max_queue_size), "--max-items", str(items))
        return ("--device", "cpu", *size)


class Bench:
    """One server, what it is sent, and the processes that send it."""

    def __init__(
        self, plan: Plan, bundle: Bundle, served: Served, pool: ProcessPoolExecutor
    ) -> None:
        """Two processes of ``pool``, so that one caller can be measured beside many."""
        given = exchanges.material(bundle)
        self.plan = plan
        self.single = exchanges.ours(given)
        self.bulk = exchanges.ours_bulk(given)["npy"]
        self.alone = {each.operation: each.call for each in ceilings(bundle) if each.stage == CODEC}
        self.served = served
        self.pool = pool

    def ask(self, exchange: Exchange, callers: int, seconds: float) -> Load:
        """A closed loop of ``callers``."""
        return self.pool.submit(drive, self.served.http, (exchange,), callers, seconds).result()

    def load(self, exchange: Exchange, callers: int, seconds: float) -> Load:
        """As `ask`, where nothing may be refused.

        Raises:
            ServerError: It was.
        """
        load = self.ask(exchange, callers, seconds)
        if load.refused:
            raise ServerError(
                f"{callers} callers were refused {load.refused} times by a queue of "
                f"{self.plan.max_queue_size}; measure with a larger --max-queue-size"
            )
        return load

    def warm_up(self) -> None:
        """Let everything be done once."""
        for operation in OPERATIONS:
            self.load(self.single[operation], CALLERS, WARM_UP_S)


def one_caller(bench: Bench) -> Part:
    """One caller, fresh and after a burst, beside graph and codec without a server."""
    checks, rows = [], []
    for operation in OPERATIONS:
        exchange, share = bench.single[operation], bench.plan.seconds / ROUNDS
        alone: list[float] = []
        fresh: list[float] = []
        for _ in range(ROUNDS):
            alone += _timed(bench.alone[operation], share)
            fresh += bench.load(exchange, 1, share).times_s
        bench.load(exchange, BURST_CALLERS, bench.plan.seconds)
        after = bench.load(exchange, 1, bench.plan.seconds).times_s
        base = 1000 * percentile(alone, 0.5)
        rows.append((operation, f"{CODEC}, one thread", f"{base:.2f}", "–"))
        for name, times in (("fresh", fresh), (f"after {BURST_CALLERS} callers", after)):
            p50 = 1000 * percentile(times, 0.5)
            rows.append((operation, f"one caller, {name}", f"{p50:.2f}", f"{p50 - base:.2f}"))
            question = f"{operation}, one caller, {name}: p50 above {CODEC}, ms"
            checks.append(report.at_most(question, p50 - base, 1.5))
    columns = ("operation", "who", "p50 ms", "above, ms")
    return checks, [report.Table("One caller beside graphs and codecs alone", columns, rows)]


def _timed(call: Callable[[], object], seconds: float) -> list[float]:
    times: list[float] = []
    ends = time.perf_counter() + seconds
    while not times or time.perf_counter() < ends:
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return times


def company(bench: Bench) -> Part:
    """One caller alone, and beside a bulk client that never pauses."""
    seconds, decode = bench.plan.seconds, bench.single["decode"]
    alone = bench.load(decode, 1, seconds / 2)
    lasts_s = seconds + 2 * HEAD_START_S
    what = (bench.served.http, bench.bulk, BULK_CALLERS, lasts_s, BULK_SOURCE)
    bulk = bench.pool.submit(keep_busy, *what)
    time.sleep(HEAD_START_S)
    beside = bench.ask(decode, 1, seconds)
    many = bulk.result()
    # Before and after, since the machine's own rate changes from minute to minute.
    again = bench.load(decode, 1, seconds / 2)
    tails = [
        tail([*alone.times_s, *again.times_s], alone.seconds + again.seconds),
        tail(beside.times_s, beside.seconds),
    ]
    ratio = tails[1].p95_ms / tails[0].p95_ms
    checks = [
        report.at_most("decode, one caller beside bulk: p95 / p95 alone", ratio, 2),
        report.told("decode, one caller beside bulk: refusals", str(beside.refused)),
        report.told(
            "latents a second of the bulk client meanwhile", f"{many.images / many.seconds:.0f}"
        ),
    ]
    rows = [("alone", *_cells(tails[0])), ("beside bulk", *_cells(tails[1]))]
    columns = ("one caller", "answers/s", "p50 ms", "p95 ms", "p99 ms", "p99 / p50")
    requests = (
        f"{BULK_CALLERS} connections, {exchanges.BULK} latents a request",
        f"{many.images / many.seconds:.0f}",
        str(len(many.times_s)),
        str(many.refused),
    )
    of_bulk = ("bulk client", "latents/s", "answers", "refusals, waited out")
    return checks, [
        report.Table("One caller beside bulk", columns, rows),
        report.Table("The bulk client", of_bulk, [requests]),
    ]


def soak(bench: Bench) -> Part:
    """Many callers for long: is the tail short, and does anything grow?"""
    tenths = list(_tenths(bench))
    checks, tables = [], []
    for operation in OPERATIONS:
        tails = [each.tail(operation) for each in tenths]
        whole = tail(
            [time_s for each in tenths for time_s in each.times_s[operation]],
            sum(each.seconds[operation] for each in tenths),
        )
        who = f"{operation}, {CALLERS} callers"
        checks += [
            report.at_most(f"{who}: p99 / p50 over the soak", whole.ratio, 2.5),
            report.at_most(
                f"{who}: p99, last tenths / first", drift([each.p99_ms for each in tails]), 1.2
            ),
            report.at_least(
                f"{who}: rate, last tenths / first", drift([each.rate for each in tails]), 0.9
            ),
        ]
        rows = [
            ("all", *_cells(whole)),
            *((str(n), *_cells(each)) for n, each in enumerate(tails, 1)),
        ]
        columns = ("tenth", "answers/s", "p50 ms", "p95 ms", "p99 ms", "p99 / p50")
        tables.append(report.Table(f"Soak: {who}", columns, rows))
    sizes = [each.resident_bytes / 2**20 for each in tenths]
    checks.append(report.at_most("resident memory, last tenths / first", drift(sizes), 1.05))
    cells = [(str(n), f"{size:.0f}") for n, size in enumerate(sizes, 1)]
    tables.append(report.Table("Soak: resident memory of all processes", ("tenth", "MiB"), cells))
    return checks, tables


def _tenths(bench: Bench) -> Iterator[Tenth]:
    seconds = bench.plan.soak_s / TENTHS / len(OPERATIONS)
    for _ in range(TENTHS):
        loads = {
            operation: bench.load(bench.single[operation], CALLERS, seconds)
            for operation in OPERATIONS
        }
        yield Tenth(
            {operation: load.times_s for operation, load in loads.items()},
            {operation: load.seconds for operation, load in loads.items()},
            bench.served.resident_bytes(),
        )


def _cells(found: Tail) -> tuple[str, ...]:
    return (
        f"{found.rate:.0f}",
        *(f"{each:.1f}" for each in (found.p50_ms, found.p95_ms, found.p99_ms)),
        f"{found.ratio:.2f}",
    )

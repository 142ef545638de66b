"""Served rates beside the ceiling and beside other servers, all in one run.

    bundle → ceiling (ORT, codecs)                       ┐
           → latentserve, BentoML batchable, FastAPI, LitServe, each a real process on loopback
           → callers of a process of their own           ┴→ rounds in turns → medians → results/

The callers share the machine's cores with the servers: a rate is what is left for a whole exchange,
and core-milliseconds (CPU time of the server's processes over images) hold on any machine that is
not slower. Rates of one run are to be compared with each other, not with those of another.

    python -m benchmarks.serving            # under five minutes
    python -m benchmarks.serving --quick    # about one
"""

from __future__ import annotations

import argparse
import contextlib
import math
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import exchanges, machine
from benchmarks.ceiling import CODEC, Ceiling, batch_stage, ceilings
from benchmarks.load import Load, WrongAnswer, drive
from benchmarks.measuring import HIGH, Measure, in_turns, percentile, summarise
from benchmarks.peers.processes import PEERS
from benchmarks.servers import Served, ended_by_sigterm, latentserve
from benchmarks.serving_report import CEILING, OURS, Result, Row, to_json, to_markdown
from bundle import open_bundle
from inference.cores import available_cores
from loadtests.client import ServerError
from service.settings import find_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.load import Exchange
    from bundle import Bundle

CALLERS, QUICK_CALLERS = (1, 8, 32, 128), (1, 32)
BULK_CALLERS = (1, 8)
"""With more, 64 rows each would not fit the default queue of 512 and be refused, as they should."""
A_WORKER_A_CORE = "a worker a core"
WARM_UP_S = 0.2
IDLE_S = 1.0
CLEAR_UP_S = 0.02
_PACKAGES = ("onnxruntime", "numpy", "bentoml", "fastapi", "litserve", "uvicorn", "grpcio")


@dataclass(frozen=True)
class Work:
    """One cell of the tables: what is measured, and what measures it for so many seconds."""

    operation: str
    system: str
    variant: str
    callers: int
    ceiling: tuple[str, str]
    measure: Callable[[float], Measure]


class Callers:
    """The process that loads servers, so that its CPU time is nobody else's."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        """Load from ``pool``, which has one process."""
        self._pool = pool

    def load(self, served: Served, exchange: Exchange, callers: int, seconds: float) -> Measure:
        """Load one server with one exchange.

        Raises:
            WrongAnswer: An answer was wrong, or refused: here nothing may be.
        """
        address = served.grpc if exchange.method else served.http
        with served.awake():
            before = served.cpu_s()
            load = self._pool.submit(drive, address, (exchange,), callers, seconds).result()
            measure = measure_of(load, served.cpu_s() - before, served.name)
            # Connections that were closed are the server's to clear up before it sleeps.
            time.sleep(CLEAR_UP_S)
        return measure


def measure_of(load: Load, server_s: float, name: str) -> Measure:
    """The figures of one run.

    Args:
        load: What the callers saw.
        server_s: CPU seconds of the server meanwhile.
        name: Whose they are.

    Raises:
        ServerError: The server refused requests, so that its rate is not comparable.
    """
    if load.refused or not load.times_s:
        raise ServerError(
            f"{name} gave {len(load.times_s)} right answers and refused {load.refused}; compare "
            "with fewer callers, or with longer runs"
        )
    return Measure(
        rate=load.images / load.seconds,
        p50_ms=1000 * percentile(load.times_s, 0.5),
        p95_ms=1000 * percentile(load.times_s, HIGH),
        core_ms=1000 * server_s / load.images,
    )


def main() -> int:
    """Measure, print and write."""
    args = _arguments()
    try:
        result = _measured(args)
    except (ServerError, TimeoutError, WrongAnswer) as error:
        print(f"benchmark: {str(error) or 'a server fell silent'}", file=sys.stderr)
        return 1
    text = to_markdown(result)
    print(f"\n{text}")
    if args.results is not None:
        args.results.mkdir(parents=True, exist_ok=True)
        stem = args.results / f"serving-{datetime.now(UTC):%Y-%m-%d}"
        stem.with_suffix(".md").write_text(text, "utf-8")
        stem.with_suffix(".json").write_text(to_json(result), "utf-8")
        print(f"written: {stem}.md, {stem}.json")
    return 0


def _measured(args: argparse.Namespace) -> Result:
    path = find_bundle(args.bundle)
    bundle, began = open_bundle(path), machine.busy()
    remarks: list[str] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(ended_by_sigterm())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        callers = Callers(stack.enter_context(pool))
        served = stack.enter_context(latentserve(path, folder, "--device", "cpu"))
        cores = available_cores()
        servers, works = [served], _ceiling_works(bundle, cores)
        given = exchanges.material(bundle)
        counts = QUICK_CALLERS if args.quick else CALLERS
        works += _our_works(callers, served, given, counts)
        if cores > 1:
            spread = ("--device", "cpu", "--workers", str(cores))
            several = stack.enter_context(latentserve(path, folder, *spread))
            several.name = f"{OURS}, {A_WORKER_A_CORE}"
            servers.append(several)
            for operation in ("encode", "decode"):
                exchange = exchanges.ours(given)[operation]
                works += [
                    replace(work, system=OURS, variant=A_WORKER_A_CORE)
                    for work in _works(callers, several, operation, exchange, counts[-2:])
                ]
        for peer in PEERS:
            if peer.missing:
                remarks.append(f"{peer.name}: not measured, {peer.missing}")
                continue
            print(f"starting {peer.name}", flush=True)
            peer_served = stack.enter_context(peer.running(path, folder))
            servers.append(peer_served)
            for operation, exchange in peer.exchanges(given).items():
                works += _works(callers, peer_served, operation, exchange, counts)
        remarks += _idle(servers)
        rows = _rows(works, args.rounds, args.seconds)
    facts = _facts(bundle, args, began)
    return Result(facts, rows, [*remarks, *_fixed_remarks()])


def _ceiling_works(bundle: Bundle, threads: int) -> list[Work]:
    def work(each: Ceiling) -> Work:
        return Work(
            each.operation,
            CEILING,
            each.stage,
            threads,
            (each.operation, CODEC),
            lambda seconds: each.measure(seconds, threads),
        )

    return [work(each) for each in ceilings(bundle)]


def _our_works(
    callers: Callers, served: Served, given: exchanges.Material, counts: Sequence[int]
) -> list[Work]:
    works = []
    for operation, exchange in exchanges.ours(given).items():
        works += _works(callers, served, operation, exchange, counts)
    works += _works(callers, served, "decode", exchanges.ours_grpc(given), counts, variant="gRPC")
    # Bulk requests bring arrays and take arrays: no codec, so the graph alone is their ceiling.
    raw = ("decode", batch_stage(32))
    for variant, exchange in exchanges.ours_bulk(given).items():
        name = f"decode of {exchanges.BULK} at once, to pixels"
        works += _works(callers, served, name, exchange, BULK_CALLERS, variant=variant, ceiling=raw)
    return works


def _works(
    callers: Callers,
    served: Served,
    operation: str,
    exchange: Exchange,
    counts: Sequence[int],
    *,
    variant: str = "",
    ceiling: tuple[str, str] | None = None,
) -> list[Work]:
    # A sample is a draw, which costs next to nothing, and a decode.
    ceiling = ceiling or ("decode" if operation == "sample" else operation, CODEC)

    def work(count: int) -> Work:
        return Work(
            operation,
            served.name,
            variant,
            count,
            ceiling,
            lambda seconds: callers.load(served, exchange, count, seconds),
        )

    return [work(count) for count in counts]


def _idle(servers: Sequence[Served]) -> list[str]:
    """What each server uses while nobody calls; then they sleep, to take no core from others."""
    before = [served.cpu_s() for served in servers]
    time.sleep(IDLE_S)
    used = [served.cpu_s() - cpu for served, cpu in zip(servers, before, strict=True)]
    shares = ", ".join(
        f"{served.name} {100 * seconds / IDLE_S:.0f} %"
        for served, seconds in zip(servers, used, strict=True)
    )
    for served in servers:
        served.sleep()
    return [f"of one core while nobody calls: {shares}; from here on a server sleeps in turns"]


def _rows(works: Sequence[Work], rounds: int, seconds: float) -> list[Row]:
    found: dict[int, list[Measure]] = {id(work): [] for work in works}
    for work in works:
        work.measure(WARM_UP_S)
    for number, work in enumerate(in_turns(works, rounds)):
        if number % len(works) == 0:
            print(f"round {number // len(works) + 1} of {rounds}", flush=True)
        found[id(work)].append(work.measure(seconds))
    ceiling = {
        (work.operation, work.variant): found[id(work)] for work in works if work.system == CEILING
    }
    return [
        Row(
            work.operation,
            work.system,
            work.variant,
            work.callers,
            summarise(found[id(work)]),
            _share(found[id(work)], ceiling.get(work.ceiling)),
        )
        for work in works
    ]


def _share(found: Sequence[Measure], ceiling: Sequence[Measure] | None) -> float:
    """Rate over the ceiling's of the same round, the median of all rounds."""
    if ceiling is None:
        return math.nan
    return median(mine.rate / most.rate for mine, most in zip(found, ceiling, strict=True))


def _facts(bundle: Bundle, args: argparse.Namespace, began: str) -> dict[str, str]:
    manifest = bundle.manifest
    command = f"python -m benchmarks.serving --rounds {args.rounds} --seconds {args.seconds:g}"
    shape = f"image {list(manifest.image.shape)}, {manifest.latent.dimension} latents"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "model": f"{manifest.name} {manifest.version}, {shape}",
        "hardware": machine.hardware(),
        "before the run": began,
        "command": f"`{command}{' --quick' if args.quick else ''}`",
        "software": ", ".join(f"{a} {b}" for a, b in machine.versions(*_PACKAGES).items()),
    }


def _fixed_remarks() -> list[str]:
    return [
        f"“of ceiling” is the rate over that of “{CODEC}” in the same round, the median of rounds; "
        "for bulk over that of raw ORT with batches of 32; for sample over decode's",
        "callers, and the ceiling's threads, run on the same cores as the servers; each caller has "
        "one request on its way",
        f"{OURS} runs with its defaults and one worker, and once more with a worker for each core; "
        "the peers share its graphs, its session options but for the one with ORT's own threads, "
        "and read and write pictures with Pillow but for the one with our codecs",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description="Compare serving with graphs and codecs alone, and with other servers.",
    )
    parser.add_argument("--bundle", type=Path, default=Path("models/faces-64"))
    parser.add_argument("--quick", action="store_true", help="about a minute, fewer callers")
    parser.add_argument("--rounds", type=int, help="default 5, quick 3")
    parser.add_argument("--seconds", type=float, help="each: default 0.5, quick 0.2")
    parser.add_argument(
        "--results",
        type=Path,
        help="folder that serving-DATE.md and .json are written to; by default they are not",
    )
    args = parser.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 5)
    args.seconds = args.seconds or (0.2 if args.quick else 0.5)
    return args


if __name__ == "__main__":
    raise SystemExit(main())

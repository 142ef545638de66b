"""How the server behaves rather than how fast it is: tails, one caller, overload, company, start.

    bundle → `latentserve serve` on loopback ← callers of processes of their own
           → what was wanted beside what was found → results/behaviour-DATE.md

The callers share the machine's cores with the server. What is wanted is a ratio of two figures of
the same run where it can be, since those carry to other machines; a figure that misses is told and
fails nothing.

    python -m benchmarks.behaviour --results benchmarks/results    # about a quarter of an hour
    python -m benchmarks.behaviour --quick                         # under 40 seconds
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks import behaviour_parts as parts
from benchmarks import machine
from benchmarks.behaviour_overload import CALM, overloaded
from benchmarks.behaviour_parts import Bench, Plan
from benchmarks.behaviour_report import Report, at_most, to_markdown, told
from benchmarks.load import WrongAnswer
from benchmarks.servers import ROOT, ended_by_sigterm, latentserve
from bundle import open_bundle
from loadtests.client import ServerError
from service.settings import find_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.behaviour_report import Check, Table
    from bundle import Bundle

PARTS = (parts.one_caller, parts.company, overloaded, parts.soak)
"""What lasts longest comes last, so that trouble in the others is seen early."""
QUICK = {"seconds": 0.8, "soak_s": 5.0, "starts": 1, "pulses": 1}
WORKER_IMPORTS = "import service.bento, service.worker"
_PACKAGES = ("onnxruntime", "numpy", "bentoml", "uvicorn")


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print and write."""
    args = _arguments(words)
    plan = _plan(args)
    try:
        found = measured(plan, _command(plan))
    except (OSError, ServerError, WrongAnswer) as error:  # OSError: TimeoutError too
        print(f"benchmark: {str(error) or 'the server fell silent'}", file=sys.stderr)
        return 1
    text = to_markdown(found)
    print(f"\n{text}")
    if args.results is not None:
        args.results.mkdir(parents=True, exist_ok=True)
        path = args.results / f"behaviour-{datetime.now(UTC):%Y-%m-%d}.md"
        path.write_text(text, "utf-8")
        print(f"written: {path}")
    return 0


def measured(plan: Plan, command: str) -> Report:
    """Measure every part.

    Args:
        plan: What and how long.
        command: How the reader measures the same.

    Raises:
        ServerError: A server did not start, or refused where it should not.
        WrongAnswer: One answered what it should not.
        OSError: One fell silent or cannot be reached, or there is one loopback address only.
    """
    path = find_bundle(plan.bundle)
    bundle, began = open_bundle(path), machine.busy()
    checks: list[Check] = []
    tables: list[Table] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(ended_by_sigterm())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        context = multiprocessing.get_context("spawn")
        pool = stack.enter_context(ProcessPoolExecutor(2, mp_context=context))
        print("start", flush=True)
        starts = [_start(plan, path, folder) for _ in range(plan.starts - 1)]
        begun = time.perf_counter()
        served = stack.enter_context(latentserve(path, folder, *plan.options()))
        starts.append(time.perf_counter() - begun)
        start_cpu_s = served.cpu_s()
        bench = Bench(plan, bundle, served, pool)
        bench.warm_up()
        for part in PARTS:
            print(part.__name__.replace("_", " "), flush=True)
            more_checks, more_tables = part(bench)
            checks += more_checks
            tables += more_tables
    checks += _started(starts, start_cpu_s)
    return Report(_facts(bundle, command, began), checks, tables, _remarks(plan))


def _start(plan: Plan, path: Path, folder: Path) -> float:
    begun = time.perf_counter()
    with latentserve(path, folder, *plan.options()):
        return time.perf_counter() - begun


def _started(starts: list[float], cpu_s: float) -> list[Check]:
    """From `exec` to ready, what of it is work, and what of that is a worker's reading of modules.

    Args:
        starts: Seconds of each.
        cpu_s: CPU seconds of all processes of one of them until ready.
    """
    before = psutil.Process().cpu_times()
    subprocess.run([sys.executable, "-c", WORKER_IMPORTS], check=True, cwd=ROOT)
    after = psutil.Process().cpu_times()
    imports = sum(after[2:4]) - sum(before[2:4])  # user and system, of children
    return [
        at_most(f"start: seconds to ready, median of {len(starts)}", statistics.median(starts), 3),
        told("start: CPU seconds of all processes until ready", f"{cpu_s:.2f}"),
        told("start: CPU seconds of what one worker imports", f"{imports:.2f}"),
    ]


def _facts(bundle: Bundle, command: str, began: str) -> Mapping[str, str]:
    manifest = bundle.manifest
    shape = f"image {list(manifest.image.shape)}, {manifest.latent.dimension} latents"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "model": f"{manifest.name} {manifest.version}, {shape}",
        "hardware": machine.hardware(),
        "before the run": began,
        "command": f"`{command}`",
        "software": ", ".join(f"{a} {b}" for a, b in machine.versions(*_PACKAGES).items()),
    }


def _remarks(plan: Plan) -> list[str]:
    return [
        "callers run on the same cores as the server, which has its defaults and one worker, but "
        f"for max_queue_size {plan.max_queue_size}; all requests are for one image but the bulk "
        "client's",
        f"overload: {plan.pulses} times {plan.seconds:g} s of Poisson arrivals at twice the best "
        "rate, which is measured before and after each, counted once the queue has had the time to "
        f"fill, each followed by a while at {CALM:g} times that rate; figures are medians over the "
        "pulses; every other caller that was refused within the last "
        "quarter of its wait before that comes back once",
        "“for each core that the clients left” compares rates over the cores of the machine less "
        "those that the clients used, which holds where cores are the limit",
        "time of an answer is from its request's being sent; how late arrivals were sent, because "
        "their client had no core, stands apart",
    ]


def _plan(args: argparse.Namespace) -> Plan:
    given = {
        name: value
        for name in ("seconds", "soak_s", "starts", "pulses", "max_queue_size")
        if (value := getattr(args, name)) is not None
    }
    return Plan(args.bundle, **({**QUICK, **given} if args.quick else given))


def _command(plan: Plan) -> str:
    return (
        f"python -m benchmarks.behaviour --seconds {plan.seconds:g} --soak-s {plan.soak_s:g} "
        f"--starts {plan.starts} --pulses {plan.pulses} --max-queue-size {plan.max_queue_size}"
    )


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.behaviour",
        description="Measure tails, overload, fairness and start of a server of its own.",
    )
    parser.add_argument("--bundle", type=Path, default=Path("models/faces-64"))
    parser.add_argument("--quick", action="store_true", help="under 40 seconds")
    parser.add_argument("--seconds", type=float, help="each but the soak: default 5, quick 0.8")
    parser.add_argument("--soak-s", type=float, help="default 600, quick 5")
    parser.add_argument("--starts", type=int, help="default 3, quick 1")
    parser.add_argument("--pulses", type=int, help="of overload: default 5, quick 1")
    parser.add_argument("--max-queue-size", type=int, help="of the server; default its own")
    parser.add_argument(
        "--results",
        type=Path,
        help="folder that behaviour-DATE.md is written to; by default it is not",
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    raise SystemExit(main())

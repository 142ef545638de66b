"""Load a server with simulated clients, and report what it did.

options → server (ours or --host) → Plan → Locust in processes of its own → report, exit status
"""

from __future__ import annotations

import math
import os
import platform
import shlex
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loadtests import load, mixes, options
from loadtests.access import Target
from loadtests.checks import WrongAnswer
from loadtests.client import ServerError, fetch, wait_ready
from loadtests.examples import prepare
from loadtests.own_server import free_port, own_server
from loadtests.page import html
from loadtests.plan import Plan
from loadtests.report import Run, markdown
from loadtests.server_metrics import histograms, parse, processes, same_worker

if TYPE_CHECKING:
    from loadtests.options import Options
    from loadtests.outcomes import Outcomes
    from loadtests.server_metrics import Samples

READY_TIMEOUT_S = 30.0
EXAMPLES = 16
LEAST_EXAMPLES = 4
ALL_EXAMPLES = 128
"""Made before the load, one after the other: many operations have fewer of each."""


def main(argv: list[str] | None = None) -> int:
    """Run the load test.

    Returns:
        0 if every answer was right or shed, at least one was right, and a p95 that was asked for
        was held (steps: by one step at least); 1 if not; 2 if the load could not be made at all.
    """
    description = "Load a server with simulated clients that look at every answer, and report."
    asked = options.read(argv, description)
    if asked.follow is not None:
        return load.run_as_worker(*asked.follow, asked.access)
    asked.results.mkdir(parents=True, exist_ok=True)
    stem = asked.results / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    words = shlex.split(asked.serve)
    grpc = asked.grpc
    if not asked.host:
        port = free_port()
        # Ours first: one that is named in --serve-args counts.
        words = ["--grpc-port", str(port), *words]
        grpc = grpc or f"{load.LOOPBACK}:{_last(words, '--grpc-port')}"
    server = (
        nullcontext(asked.host)
        if asked.host
        else own_server(stem.with_suffix(".server.log"), words, asked.access)
    )
    try:
        with server as host:
            target = Target(host, grpc or asked.grpc_of(host), asked.access)
            run = _measure(target, asked)
    except (ServerError, WrongAnswer) as error:
        print(f"load test: {error}", file=sys.stderr)  # noqa: T201  (a command)
        return 2
    table = markdown(run)
    stem.with_suffix(".md").write_text(table, "utf-8")
    stem.with_suffix(".html").write_text(html(run), "utf-8")
    print(f"\n{table}\nreport: {stem.with_suffix('.html')}")  # noqa: T201  (a command)
    return 0 if run.good() else 1


def _measure(target: Target, asked: Options) -> Run:
    wait_ready(target.host, READY_TIMEOUT_S, access=target.access)
    operations = sum(map(len, asked.tasks.values()))
    count = max(LEAST_EXAMPLES, min(EXAMPLES, ALL_EXAMPLES // operations))
    examples = prepare(target, asked.tasks, count)
    searches = asked.shape == "steps"
    plan = Plan(
        host=target.host,
        grpc=target.grpc,
        tasks=asked.tasks,
        phases=asked.phases,
        p95_ms=asked.p95_ms if searches else None,
        examples=examples,
    )
    most = max(phase.users for phase in plan.phases)
    print(  # noqa: T201  (a command)
        f"{'up to ' if len(plan.phases) > 1 else ''}{most} users for "
        f"{'at most ' if searches else ''}{plan.seconds:.0f} s against {target.host}: "
        f"model {examples.model.name} {examples.model.version}",
        file=sys.stderr,
    )
    before = _scrape(target)
    outcomes = _load(plan, asked)
    after = _scrape(target)
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "model": f"{examples.model.name} {examples.model.version}",
        "mix": f"{asked.mix} ({mixes.sentence(asked.mix)})",
        "over": ", ".join(asked.protocols),
        "shape": asked.shape,
        "users": _users(outcomes),
        "duration": f"{outcomes.seconds:.1f} s",
        "clients on": f"{platform.machine()}, {os.cpu_count()} cores, {outcomes.workers} process"
        f"{'es' if outcomes.workers > 1 else ''}",
    }
    same = same_worker(before, after)
    return Run(
        outcomes,
        histograms(before, after) if same else [],
        facts,
        ""
        if same
        else "the two scrapes of /metrics reached different workers: no server histograms",
        limit_ms=asked.p95_ms,
        searches=searches,
        processes=processes(before, after) if same else {},
    )


def _load(plan: Plan, asked: Options) -> Outcomes:
    if asked.lead is not None:
        address, port = asked.lead
        print(  # noqa: T201  (a command)
            f"waiting for {asked.workers} × python -m loadtests --worker {address}:{port}",
            file=sys.stderr,
        )
        return load.run_as_master(plan, asked.access, asked.workers, *asked.lead)
    if asked.workers:
        return load.run_with_workers(plan, asked.access, asked.workers)
    return load.run_alone(plan, asked.access)


def _scrape(target: Target) -> Samples:
    return parse(fetch(target.host, "GET", "/metrics", access=target.access).body.decode())


def _users(outcomes: Outcomes) -> str:
    counts = [span.users for span in outcomes.spans]
    low, high = min(counts, default=math.nan), max(counts, default=math.nan)
    return f"{high}" if low == high else f"{low} to {high}"


def _last(words: list[str], flag: str) -> str:
    """The value of ``flag`` where it was given last, as ``flag value`` or ``flag=value``."""
    value = ""
    for place, word in enumerate(words):
        if word == flag:
            value = words[place + 1] if place + 1 < len(words) else ""
        elif word.startswith(f"{flag}="):
            value = word.partition("=")[2]
    return value


if __name__ == "__main__":
    raise SystemExit(main())

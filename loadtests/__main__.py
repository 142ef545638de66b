"""Load a server with simulated shop clients, and report what it did.

arguments → server (ours or --host) → Examples → Locust in its own process → report, exit status
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from loadtests.checks import WrongAnswer
from loadtests.client import ServerError, fetch, wait_ready
from loadtests.examples import Examples, prepare
from loadtests.outcomes import Outcomes
from loadtests.own_server import own_server
from loadtests.report import Run, html, markdown
from loadtests.server_metrics import histograms, parse, same_worker

READY_TIMEOUT_S = 30.0
EXAMPLES = 16
_GRACE_S = 60.0

USAGE = """examples:
  python -m loadtests --duration 20 --users 16
  python -m loadtests --host http://127.0.0.1:3000 --users 64
"""


def main(argv: list[str] | None = None) -> int:
    """Run the load test.

    Returns:
        0 if every answer was right or shed and at least one was right, 1 if not, 2 if the load
        could not be made at all.
    """
    args = _arguments(argv)
    args.results.mkdir(parents=True, exist_ok=True)
    stem = args.results / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    server = (
        nullcontext(args.host)
        if args.host
        else own_server(stem.with_suffix(".server.log"), shlex.split(args.serve_args))
    )
    try:
        with server as host:
            run = _measure(host.rstrip("/"), args)
    except (ServerError, WrongAnswer) as error:
        print(f"load test: {error}", file=sys.stderr)  # noqa: T201  (a command)
        return 2
    table = markdown(run)
    stem.with_suffix(".md").write_text(table, "utf-8")
    stem.with_suffix(".html").write_text(html(run), "utf-8")
    print(f"\n{table}\nreport: {stem.with_suffix('.html')}")  # noqa: T201  (a command)
    total = run.outcomes.figures()[-1]
    return 0 if total.ok and not total.failed else 1


def _measure(host: str, args: argparse.Namespace) -> Run:
    wait_ready(host, READY_TIMEOUT_S)
    examples = prepare(host, EXAMPLES)
    print(  # noqa: T201  (a command)
        f"{args.users} users for {args.duration} s against {host}: model {examples.model.name} "
        f"{examples.model.version}",
        file=sys.stderr,
    )
    before = parse(fetch(host, "GET", "/metrics").body.decode())
    outcomes = _load(host, examples, args)
    after = parse(fetch(host, "GET", "/metrics").body.decode())
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "model": f"{examples.model.name} {examples.model.version}",
        "users": f"{args.users}",
        "duration": f"{outcomes.seconds:.1f} s",
        "mix": "shift 50 %, encode 20 %, decode 15 %, sample 15 %",
        "clients on": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    if not same_worker(before, after):
        remark = "the two scrapes of /metrics reached different workers: no server histograms"
        return Run(outcomes, [], facts, remark)
    return Run(outcomes, histograms(before, after), facts)


def _load(host: str, examples: Examples, args: argparse.Namespace) -> Outcomes:
    """Make the load in a process of its own, since Locust patches the one that it is in."""
    with tempfile.TemporaryDirectory() as folder:
        plan, result = Path(folder) / "plan.json", Path(folder) / "outcomes.json"
        plan.write_text(examples.to_json(), "utf-8")
        command = [
            sys.executable, "-m", "locust", "--headless", "--only-summary",
            "--locustfile", str(Path(__file__).with_name("locustfile.py")),
            "--host", host, "--users", str(args.users), "--spawn-rate", str(args.users),
            "--run-time", f"{args.duration}s", "--stop-timeout", "10",
            "--loglevel", "WARNING", "--exit-code-on-error", "0",
        ]  # fmt: skip
        root = str(Path(__file__).resolve().parents[1])
        environment = {
            **os.environ,
            "LOADTEST_PLAN": str(plan),
            "LOADTEST_OUTCOMES": str(result),
            "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
        }
        try:
            done = subprocess.run(  # noqa: S603  (our own command)
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=args.duration + _GRACE_S,
            )
        except subprocess.TimeoutExpired as error:
            raise ServerError(f"Locust did not end within {error.timeout:g} s") from error
        if done.returncode or not result.exists():
            shown = done.stderr[-2000:]
            raise ServerError(f"Locust ended with status {done.returncode}:\n{shown}")
        return Outcomes.from_json(result.read_text("utf-8"))


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests",
        description=main.__doc__.splitlines()[0] if main.__doc__ else None,
        epilog=USAGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", type=_address, help="a running server; without it one is started")
    parser.add_argument("--users", type=_positive, default=16, help="clients (default 16)")
    parser.add_argument(
        "--duration", type=_positive, default=20, metavar="SECONDS", help="default 20"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("loadtests/results"), help="folder of the reports"
    )
    parser.add_argument(
        "--serve-args",
        default="",
        metavar="TEXT",
        help='for the server that is started: --serve-args="--bundle models/faces-64 --workers 2"',
    )
    return parser.parse_args(argv)


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as http://127.0.0.1:3000")
    return text


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


if __name__ == "__main__":
    raise SystemExit(main())

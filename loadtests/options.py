"""The command line of the load test.

words → Options: where the server is, what is asked, how many ask, who makes the load
"""

from __future__ import annotations

import argparse
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from loadtests.access import API_KEY, Access
from loadtests.load import LOOPBACK, MASTER_PORT
from loadtests.mixes import ALL, MIXES, PROTOCOLS, Tasks, tasks
from loadtests.shapes import MAX_STEPS_S, SHAPES, SPIKE, STEP_S, STEPS, Phase, phases

if TYPE_CHECKING:
    from loadtests.mixes import Protocol

GRPC_PORT = 3001
P95_MS = 100.0
USERS = {"steady": 16, "steps": STEPS[-1], "spike": 8, "soak": 16}
SECONDS = {"steady": 20.0, "steps": STEP_S, "spike": 30.0, "soak": 300.0}
USAGE = """examples:
  python -m loadtests --duration 20 --users 16
  python -m loadtests --mix shop --shape steps --p95-ms 100
  python -m loadtests --mix every --protocol all --workers 2
  python -m loadtests --host http://127.0.0.1:3000 --shape soak --minutes 30
"""


@dataclass(frozen=True)
class Options:
    """What was asked for, checked.

    Attributes:
        host: Base URL without a slash at its end; empty to start a server.
        grpc: ``HOST:PORT``; empty to take it from ``host``.
        access: What the server asks for.
        serve: Further arguments of a server that is started.
        mix: Its name.
        protocols: In the order given.
        tasks: Weights.
        shape: Its name.
        phases: Of the shape.
        p95_ms: What steps hold, and what the report draws a line at; None if nobody asked.
        workers: Processes that make the load; 0 for one without a master.
        lead: Address and port to wait on for workers from elsewhere, or None.
        follow: Address and port of the master that this process makes load for, or None.
        results: Folder of the reports.
    """

    host: str
    grpc: str
    access: Access
    serve: str
    mix: str
    protocols: tuple[Protocol, ...]
    tasks: Tasks
    shape: str
    phases: tuple[Phase, ...]
    p95_ms: float | None
    workers: int
    lead: tuple[str, int] | None
    follow: tuple[str, int] | None
    results: Path

    def grpc_of(self, host: str) -> str:
        """Where gRPC is, if HTTP is at ``host``."""
        name = urlsplit(host).hostname or LOOPBACK
        return self.grpc or f"{f'[{name}]' if ':' in name else name}:{GRPC_PORT}"


def read(argv: list[str] | None, description: str) -> Options:
    """The options in ``argv``; ends the process where they make no sense."""
    parser = _parser(description)
    args = parser.parse_args(argv)
    seconds = 60.0 * args.minutes if args.minutes else args.duration or SECONDS[args.shape]
    try:
        chosen = tasks(args.mix, args.protocol)
        planned = phases(args.shape, args.users or USERS[args.shape], seconds)
    except ValueError as error:
        parser.error(str(error))
    if args.master and not args.workers:
        parser.error("--master needs --workers, the number of workers to wait for")
    if args.certificate_key and not args.certificate:
        parser.error("--certificate-key is the key of a --certificate, and there is none")
    key = args.api_key or os.environ.get(API_KEY, "")
    return Options(
        host=(args.host or "").rstrip("/"),
        grpc=args.grpc or "",
        access=Access(key, args.ca, args.certificate, args.certificate_key),
        serve=args.serve_args,
        mix=args.mix,
        protocols=args.protocol,
        tasks=chosen,
        shape=args.shape,
        phases=planned,
        p95_ms=args.p95_ms or (P95_MS if args.shape == "steps" else None),
        workers=args.workers,
        lead=(args.bind, args.port) if args.master else None,
        follow=args.worker,
        results=args.results,
    )


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests",
        description=description,
        epilog=USAGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--results", type=Path, default=Path("loadtests/results"), help="folder of the reports"
    )
    _add_server(parser.add_argument_group("the server"))
    _add_load(parser.add_argument_group("the load"))
    _add_workers(parser.add_argument_group("several processes, here or on several machines"))
    return parser


def _add_server(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--host", type=_address, help="a running server; without it one is started")
    group.add_argument(
        "--grpc", metavar="HOST:PORT", help=f"its gRPC; default: the same host, port {GRPC_PORT}"
    )
    group.add_argument(
        "--serve-args",
        default="",
        metavar="TEXT",
        help='for the server that is started: --serve-args="--bundle models/faces-64 --workers 2"',
    )
    group.add_argument(
        "--api-key",
        default="",
        metavar="KEY",
        help=f"sent with every request; better as {API_KEY}, which other users cannot read",
    )
    group.add_argument("--ca", type=_file, help="PEM of who vouches for the server's certificate")
    group.add_argument("--certificate", type=_file, help="PEM of a certificate of our own")
    group.add_argument("--certificate-key", type=_file, help="its key")


def _add_load(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--mix", default="mixed", choices=MIXES, help="default mixed")
    group.add_argument(
        "--protocol",
        type=_protocols,
        default=("http",),
        metavar="NAMES",
        help=f"with commas: {', '.join(PROTOCOLS)}, or {ALL}; users take them in turn; "
        "default http",
    )
    group.add_argument("--shape", default="steady", choices=SHAPES, help="default steady")
    group.add_argument(
        "--users",
        type=_positive,
        help=f"clients (default {USERS['steady']}); of spike before and after it, {SPIKE} times as "
        f"many in it (default {USERS['spike']}); of steps the most (default {USERS['steps']})",
    )
    group.add_argument(
        "--duration",
        type=_seconds,
        metavar="SECONDS",
        help=f"of the run (default {SECONDS['steady']:g}, spike {SECONDS['spike']:g}, soak "
        f"{SECONDS['soak']:g}); of each step (default {STEP_S:g}; all together stay under "
        f"{MAX_STEPS_S:g})",
    )
    group.add_argument("--minutes", type=_seconds, help="the same in minutes, for soak")
    group.add_argument(
        "--p95-ms",
        type=_seconds,
        metavar="MS",
        help=f"what steps must hold (default {P95_MS:g})",
    )


def _add_workers(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--workers", type=_positive, default=0, help="processes that make the load (default: one)"
    )
    group.add_argument(
        "--master", action="store_true", help="wait for --workers from elsewhere, and lead them"
    )
    group.add_argument(
        "--bind",
        default=LOOPBACK,
        metavar="ADDRESS",
        help=f"where a master waits (default {LOOPBACK}); whoever reaches it can read the plan",
    )
    group.add_argument("--port", type=_positive, default=MASTER_PORT, help="of the master")
    group.add_argument(
        "--worker",
        type=_master,
        metavar="HOST[:PORT]",
        help="make load for this master; takes nothing else but the key and the certificates",
    )


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as http://127.0.0.1:3000")
    return text


def _protocols(text: str) -> tuple[Protocol, ...]:
    if text == ALL:
        return PROTOCOLS
    named = text.split(",")
    found = tuple(protocol for protocol in PROTOCOLS if protocol in named)
    unknown = [name for name in named if name not in PROTOCOLS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"there is no protocol {unknown[0]!r}; take of {', '.join(PROTOCOLS)}, or {ALL}"
        )
    return found


def _master(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    if not host or (port and not port.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as 10.0.0.7:{MASTER_PORT}")
    return host, int(port or MASTER_PORT)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return Path(text)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value

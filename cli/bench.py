"""Find the settings of the server that suit this machine.

`tune` serves the bundle on loopback with one setting after the other (workers and threads, then
batch size, then delay), loads each with 1, 8, 32 and 128 callers, and prints a table and the
settings with the highest rate whose 95th percentile keeps to the limit. Callers and server share
this machine, so what is best is told better than how fast it is; nothing else should run
meanwhile. Exits with 0 if some settings keep to the limit, 1 if none do or the server cannot
start, 2 if a flag is wrong.

Two examples:
  latentserve bench tune
  latentserve bench tune --bundle models/faces-64 --p95-ms 20 --mix decode=3,shift=1
"""
# flags → Sweep → trials → table, choice → lines of `latentserve serve`

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.text_table import text_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from benchmarks.choice import Trial
    from benchmarks.tuning import Sweep, Swept

HEADING = (
    "workers", "threads", "batch", "delay ms", "callers", "answers/s", "p50 ms", "p95 ms",
    "cores", "refused",
)  # fmt: skip
_CHOSEN = "◂"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The one command below ``bench``."""
    commands = parser.add_subparsers(dest="bench_command", required=True, metavar="COMMAND")
    tune = commands.add_parser("tune", help="sweep settings and choose")
    tune.add_argument(
        "--bundle",
        type=Path,
        default=Path("models/faces-64"),
        help="folder of the bundle, or of its versions (default models/faces-64)",
    )
    tune.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    tune.add_argument(
        "--p95-ms",
        type=float,
        default=50.0,
        metavar="MS",
        help="95 of 100 answers must come within so many milliseconds (default 50)",
    )
    tune.add_argument(
        "--mix",
        default="encode,decode,shift",
        help="what callers ask for: encode, decode, shift, sample, each with its share as in "
        "decode=3,encode=1 (default encode,decode,shift)",
    )
    tune.add_argument(
        "--budget-s",
        type=float,
        default=120.0,
        metavar="S",
        help="seconds after which no further settings are begun (default 120)",
    )
    tune.add_argument(
        "--seconds",
        type=float,
        default=1.0,
        metavar="S",
        help="seconds of each measurement (default 1)",
    )


def run(args: argparse.Namespace) -> int:
    """Tune; the result is the exit code."""
    from bundle import BundleError
    from loadtests.client import ServerError

    try:
        given = _sweep(args)
        from benchmarks.load import WrongAnswer
        from benchmarks.tuning import sweep

        swept = sweep(given, _tell)
    except (BundleError, ServerError) as error:
        _complain(str(error))
        return 1
    except ValueError as error:
        _complain(str(error))
        return 2
    except (TimeoutError, WrongAnswer) as error:
        _complain(f"the server did not answer as it should: {str(error) or 'it fell silent'}")
        return 1
    from benchmarks.choice import choose

    chosen = choose(swept.trials, given.p95_ms)
    print(f"\n{table(swept.trials, chosen)}\n")
    print(conclusion(swept, chosen, given.p95_ms))
    return 0 if chosen is not None else 1


def table(trials: Sequence[Trial], chosen: Trial | None) -> str:
    """One line for each trial, the chosen one marked."""
    rows = [
        [
            *(str(trial.settings.workers), str(trial.settings.threads or "per core")),
            *(str(trial.settings.max_batch_size), f"{trial.settings.max_queue_delay_ms:g}"),
            *(str(trial.callers), f"{trial.rate:.0f}", f"{trial.p50_ms:.1f}"),
            *(f"{trial.p95_ms:.1f}", f"{trial.cores:.2f}", str(trial.refused)),
            _CHOSEN if trial is chosen else "",
        ]
        for trial in trials
    ]
    return text_table([*HEADING, ""], rows)


def conclusion(swept: Swept, chosen: Trial | None, p95_ms: float) -> str:
    """What to do with the table, in two or three lines."""
    from benchmarks.choice import quickest

    lines = []
    if swept.skipped:
        left = f"{len(swept.skipped)} settings were not tried: the budget was spent"
        lines.append(f"{left}; raise --budget-s to try them")
    if chosen is None:
        near = quickest(swept.trials)
        lines.append(
            f"no settings kept 95 of 100 answers within {p95_ms:g} ms; the quickest took "
            f"{near.p95_ms:.1f} ms with {near.callers} callers. Raise --p95-ms, take a smaller "
            "model, or more cores"
        )
    else:
        lines += [
            f"{chosen.rate:.0f} answers/s with {chosen.callers} callers, 95 of 100 within "
            f"{chosen.p95_ms:.1f} ms (limit {p95_ms:g}):",
            f"  latentserve serve {' '.join(chosen.settings.flags())}",
        ]
    return "\n".join(lines)


def _sweep(args: argparse.Namespace) -> Sweep:
    """What the flags ask for.

    Raises:
        ValueError: A flag is wrong.
    """
    from benchmarks.choice import choose, parse_mix
    from benchmarks.tuning import Sweep
    from inference.cores import available_cores
    from service.settings import find_bundle

    for name in ("budget_s", "seconds"):
        value = getattr(args, name)
        if not 0 < value <= 3600:  # noqa: PLR2004  (an hour)
            raise ValueError(f"--{name.replace('_', '-')} is {value}; it must lie from 0 to 3600")
    choose([], args.p95_ms)
    return Sweep(
        bundle=find_bundle(args.bundle).resolve(),
        device=args.device,
        mix=parse_mix(args.mix),
        p95_ms=args.p95_ms,
        budget_s=args.budget_s,
        seconds=args.seconds,
        cores=available_cores(),
    )


def _tell(trial: Trial) -> None:
    settings = trial.settings
    print(
        f"workers {settings.workers}, threads {settings.threads or 'per core'}, batch "
        f"{settings.max_batch_size}, delay {settings.max_queue_delay_ms:g} ms, "
        f"{trial.callers} callers: {trial.rate:.0f} answers/s, p95 {trial.p95_ms:.1f} ms",
        flush=True,
    )


def _complain(text: str) -> None:
    print(f"latentserve bench: {text}", file=sys.stderr)

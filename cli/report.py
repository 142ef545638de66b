"""``latentserve report``: one HTML page about a training run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``report``."""
    parser.add_argument("run", type=Path, help="run folder that `latentserve train` wrote")
    parser.add_argument("--out", type=Path, help="file to write; default: report.html in the run")
    parser.add_argument("--data", type=Path, help="image set, if it has moved since the training")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn; default: 0")
    parser.epilog = (
        "examples:\n"
        "  latentserve report runs/faces-64\n"
        "  latentserve report runs/faces-64 --out faces-64.html --seed 7"
    )


def run(args: argparse.Namespace) -> int:
    """Write the page; 0 when it is written."""
    from export.prior import fit_prior
    from training.data import DataError
    from training.report import write_report
    from training.run import RunError

    try:
        written = write_report(
            args.run,
            args.out,
            args.data,
            seed=args.seed,
            fit_prior=lambda means, seed: fit_prior(means, seed=seed),
            say=lambda line: print(line, file=sys.stderr),
        )
    except (DataError, OSError, RunError) as error:
        print(error, file=sys.stderr)
        return 1
    print(written)
    return 0

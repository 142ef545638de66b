"""``latentserve export``: a training run becomes a model bundle."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``export``."""
    parser.add_argument("run", type=Path, help="run folder that `latentserve train` wrote")
    parser.add_argument("--out", type=Path, required=True, help="model folder, as models/NAME")
    parser.add_argument("--data", type=Path, help="image set, if it has moved since the training")
    parser.add_argument("--version", help="default: the next whole number")
    parser.add_argument("--licence", help="of the bundle; default: the data's")
    parser.add_argument("--seed", type=int, default=0, help="of judges, prior, evaluation")
    parser.add_argument(
        "--judge-steps",
        type=int,
        default=300,
        help="batches that each reporting judge learns from (300)",
    )
    parser.add_argument(
        "--evaluate-count",
        type=int,
        default=1000,
        metavar="N",
        help="test images to evaluate (1000); 0 measures no attribute and takes seconds",
    )
    parser.add_argument(
        "--quick", action="store_true", help="look at less of everything: about a minute"
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="what the graphs compute in (float32): int8 is faster on a CPU, a little less exact; "
        "float16 is for a GPU, within 2 grey levels. All figures of the bundle are then those of "
        "such graphs, and a model that it harms is refused. "
        "Give it an --out of its own: servers take the newest version of a model folder",
    )
    parser.add_argument(
        "--int8", dest="precision", action="store_const", const="int8", help="--precision int8"
    )
    parser.epilog = (
        "examples:\n"
        "  latentserve export runs/faces-64 --out models/faces-64\n"
        "  latentserve export runs/faces-64 --out models/faces-64-int8 --int8"
    )


def run(args: argparse.Namespace) -> int:
    """Export; 0 when the bundle is written."""
    from export.exporter import ExportOptions, export_run
    from export.parity import ParityError
    from training.data.progress import show

    options = ExportOptions(
        version=args.version,
        licence=args.licence,
        seed=args.seed,
        judge_steps=args.judge_steps,
        evaluate_count=args.evaluate_count,
        quick=args.quick,
        precision=args.precision,
    )
    try:
        written = export_run(
            args.run,
            args.out,
            args.data,
            options,
            lambda line: print(line, file=sys.stderr),
            progress=show,
        )
    except (ValueError, ParityError) as error:  # of run, data, options, name or version
        print(error, file=sys.stderr)
        return 1
    print(written)
    return 0

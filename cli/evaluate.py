"""``latentserve evaluate``: measure a bundle on the test part of an image set."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``evaluate``."""
    parser.add_argument("bundle", type=Path, help="model bundle, as models/NAME")
    parser.add_argument("--data", type=Path, required=True, help="folder of the image set")
    parser.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        default=[],
        metavar="BUNDLE",
        help="other bundles, measured by the same judges and shown beside",
    )
    parser.add_argument(
        "--out", type=Path, help="JSON file to write; default: evaluation-NAME-VERSION.json here"
    )
    parser.add_argument(
        "--count", type=_count, default=2000, help="test images at most; default: 2000"
    )
    parser.add_argument("--seed", type=_whole, default=0, help="of everything drawn; default: 0")
    parser.add_argument(
        "--judge-steps", type=_positive, default=300, help="batches that judges learn from"
    )
    parser.add_argument("--limit", type=_positive, help="read at most so many images of the set")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep images in files there, not in memory"
    )
    parser.add_argument(
        "--threads", type=_positive, default=1, help="cores for the graphs and judges; default: 1"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few images and short lessons: about a minute"
    )
    parser.epilog = (
        "examples:\n"
        "  latentserve evaluate models/faces-64 --data data/faces-64\n"
        "  latentserve evaluate models/faces-64 --data data/faces-64 \\\n"
        "      --quick --compare models/small models/large"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables, write the JSON; 1 if bundle and data do not fit."""
    import torch

    from bundle import BundleError
    from cli.evaluation_tables import tables
    from export.evaluation import evaluate_bundles
    from training.data import DataError
    from training.data.progress import show
    from training.evaluation.evaluation import EvaluationError
    from training.evaluation.options import EvaluationOptions
    from training.evaluation.result import Comparison

    torch.set_num_threads(args.threads)
    options = EvaluationOptions(count=args.count, seed=args.seed, judge_steps=args.judge_steps)
    try:
        found = evaluate_bundles(
            [args.bundle, *args.compare],
            args.data,
            options=options.cut_down() if args.quick else options,
            limit=args.limit,
            cache=args.cache,
            threads=args.threads,
            progress=show,
        )
        result = found[0] if len(found) == 1 else Comparison(evaluations=found)
        kind = "evaluation" if len(found) == 1 else "comparison"
        out = args.out or Path(f"{kind}-{found[0].model.replace(' ', '-')}.json")
        out.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except (BundleError, DataError, EvaluationError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(tables(found))
    print(f"every number: {out}")
    return 0


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is not 0 or more")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a positive number")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 8:  # noqa: PLR2004  (`EvaluationOptions.count`)
        raise argparse.ArgumentTypeError(f"{value} test images are too few; take at least 8")
    return value

"""``latentserve train``: learn a VAE from an image set."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``train``."""
    parser.add_argument("--preset", required=True, help="recipe; `latentserve presets` lists them")
    parser.add_argument("--data", type=Path, required=True, help="folder of the image set")
    parser.add_argument("--out", type=Path, required=True, help="run folder to write")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument(
        "--init", type=Path, metavar="RUN", help="begin from the weights of another run"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="changes",
        help="a value of the preset to replace, as JSON: --set shift_weight=240; may be repeated",
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and noise")
    parser.add_argument(
        "--epochs", type=int, help="instead of the preset's, however few images there are"
    )
    parser.add_argument("--limit", type=int, help="read at most so many images")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep images at the model's size in files there, not in memory",
    )
    parser.add_argument(
        "--accelerator", choices=("auto", "cpu", "gpu"), default="auto", help="default: auto"
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "32", "bf16"),
        default="auto",
        help="default: bf16 mixed precision on a GPU, 32 on a CPU",
    )
    parser.add_argument(
        "--compile", action="store_true", help="train through torch.compile (needs a C++ compiler)"
    )
    parser.epilog = (
        "examples:\n"
        "  latentserve train --preset faces-64 --data data/faces-64 --out runs/faces-64\n"
        "  latentserve train --preset faces-64 --data data/faces-64 --out runs/faces-64 --resume"
    )


def run(args: argparse.Namespace) -> int:
    """Train; 0 when finished, 130 when interrupted with a checkpoint, 1 when it cannot start."""
    from training.callbacks import InterruptedRunError
    from training.data import load
    from training.data.progress import show, silent
    from training.learnt import notes
    from training.models import check_network
    from training.presets import PRESETS, Preset
    from training.processes import Processes
    from training.run import train

    speaks = Processes.of_torchrun().first
    if args.preset not in PRESETS:
        print(f"no preset {args.preset!r}; there are {', '.join(PRESETS)}", file=sys.stderr)
        return 1
    try:
        given = dict(_change(text) for text in args.changes)
        if args.epochs is not None:
            given = {"least_steps": 0, **given, "epochs": args.epochs}
        preset = Preset.model_validate({**PRESETS[args.preset].model_dump(), **given})
        check_network(preset)
        progress = show("reading images") if speaks else silent
        data = load(args.data, preset.image, limit=args.limit, cache=args.cache, progress=progress)
        if speaks:
            print(data.summary(), *notes(preset, data), sep="\n", file=sys.stderr)
        figures = train(
            preset,
            data,
            args.out,
            source=str(args.data),
            seed=args.seed,
            limit=args.limit,
            cache=args.cache,
            resume=args.resume,
            init=args.init,
            accelerator=args.accelerator,
            precision=args.precision,
            compiled=args.compile,
        )
    except ValueError as error:  # of data, run, preset or --set
        print(error, file=sys.stderr)
        return 1
    except InterruptedRunError as error:
        if speaks:
            print(
                f"interrupted; {error} is written, the same command with --resume goes on",
                file=sys.stderr,
            )
        return INTERRUPTED
    if speaks:
        print(f"{args.out}: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    return 0


def _change(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set {text} has no =; write it as NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        raise ValueError(
            f"--set {text}: {value!r} is not JSON, such as 240, 0.5 or [32, 64]"
        ) from None

"""Encode, decode, shift, sample or reconstruct a whole catalogue, without a server.

IN is a folder of images, a quoted pattern (``'photos/**/*.jpg'``), Parquet with a column of images,
of paths or of latents, a CSV file of paths, or the output of another job; for sample, a count. OUT
holds rows/part-….parquet, and errors.parquet with key, slug and message of each item that failed.
A job that was stopped or killed goes on where it stopped when the same command is given again.
Exits with 0 if every item has a result, 3 if some failed, 1 if the job could not be finished, 2 if
an option is wrong, 130 after Ctrl-C.
"""
# arguments → bundle, operation, source → batch.job → summary, exit status

from __future__ import annotations

import argparse
import gc
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cli.batch_search import SEARCH, add_commands, run_search

if TYPE_CHECKING:
    from batch.job import JobOptions, Runner, Summary
    from batch.operations import Operation
    from batch.sources import Source
    from bundle import Bundle

SOME_FAILED = 3
INTERRUPTED = 130
_EXTRAS = {
    "pyarrow": "batch",
    "filelock": "batch",
    "tqdm": "batch",
    "ray": "ray",
    "usearch": "search",
}
"""Which extra brings a package."""
_OPERATIONS = {
    "encode": "images to latents",
    "decode": "latents to images",
    "shift": "move images or latents along attributes",
    "sample": "draw images from the prior",
    "reconstruct": "images to latents and back",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A command for each operation."""
    commands = parser.add_subparsers(dest="operation", required=True, metavar="OPERATION")
    for name, line in _OPERATIONS.items():
        command = commands.add_parser(name, help=line, description=line.capitalize() + ".")
        if name == "sample":
            command.add_argument("count", type=_positive, metavar="COUNT", help="how many images")
        else:
            command.add_argument("input", metavar="IN", help="folder, pattern, Parquet or CSV")
            command.add_argument("--column", help="of images, paths or latents; default: by name")
            command.add_argument("--key", help="column of keys; default: `key`, else file and row")
        _add_common(command)
        if name != "encode":
            command.add_argument(
                "--images",
                choices=("png", "webp", "jpeg"),
                help="write image files below OUT/images; default: PNG in the rows",
            )
        if name in {"shift", "sample"}:
            command.add_argument(
                "--attribute",
                type=_strength,
                action="append",
                default=[],
                metavar="NAME=STRENGTH",
                help="move along this attribute, -10 to 10; may be given several times",
            )
        if name == "shift":
            command.add_argument(
                "--detail",
                action="store_true",
                help="add what the shift changes to the pictures at their own size",
            )
        if name == "sample":
            command.add_argument("--seed", type=int, default=0, help="default: 0")
            command.add_argument(
                "--temperature", type=float, default=1.0, help="0 to 2; default: 1"
            )
            command.add_argument("--prior", choices=("fitted", "normal"), default="fitted")
    add_commands(commands.add_parser, _strength)
    parser.epilog = (
        "examples:\n"
        "  latentserve batch encode photos --out latents\n"
        "  latentserve batch sample 100 --seed 7 --images png --out faces\n"
        "`latentserve batch OPERATION --help` tells more of each."
    )


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, required=True, help="output folder")
    command.add_argument(
        "--bundle", type=Path, default=Path("models/faces-64"), help="default: models/faces-64"
    )
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    command.add_argument(
        "--threads",
        type=int,
        default=0,
        help="for codecs, and for graphs; default: one more than cores",
    )
    command.add_argument("--batch-size", type=_positive, default=64, help="items; default: 64")
    command.add_argument(
        "--shard-rows", type=_positive, default=4096, help="items of one file; default: 4096"
    )
    command.add_argument(
        "--max-image-pixels", type=_positive, default=16_000_000, help="default: 16000000"
    )
    command.add_argument(
        "--max-image-bytes", type=_positive, default=32 << 20, help="default: 33554432"
    )
    command.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="work on actors of a Ray cluster that sees IN and OUT; alone: one on this machine",
    )
    command.add_argument(
        "--ray-actors", type=_positive, default=0, metavar="N", help="default: all that fit"
    )
    command.add_argument("--quiet", action="store_true", help="show no progress")


def run(args: argparse.Namespace) -> int:
    """Do the job; the result is the exit code."""
    try:
        return _run(args)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "onnxruntime":
            return _complain("onnxruntime is missing; install latentserve[cpu] or latentserve[gpu]")
        if missing not in _EXTRAS:
            raise
        extra = _EXTRAS[missing]
        return _complain(
            f"{missing} is missing; install the extra `{extra}`: pip install 'latentserve[{extra}]'"
        )
    except KeyboardInterrupt:
        _complain(f"stopped; the same command goes on from the last complete shard of {args.out}")
        return INTERRUPTED


def _run(args: argparse.Namespace) -> int:
    from batch.job import run_job
    from batch.progress import Silent, show
    from bundle import open_bundle
    from inference.errors import ServingError
    from inference.sessions import DeviceUnavailable

    # What was imported stays, so no collection in the middle of the work needs to look at it.
    gc.freeze()
    try:
        if args.operation in SEARCH:
            return run_search(args)
        bundle = open_bundle(args.bundle)
        operation = _operation(args)
        summary = run_job(
            bundle,
            operation,
            _source(args, bundle, operation),
            _options(args),
            progress=Silent() if args.quiet else show(args.operation),
            runner=_runner(args),
        )
    # A `BatchError` and a `BundleError` are values' errors, too.
    except (DeviceUnavailable, ServingError, OSError, ValueError) as error:
        return _complain(str(error))
    print(_shown(summary, args.out), file=sys.stderr)
    return SOME_FAILED if summary.failed else 0


def _operation(args: argparse.Namespace) -> Operation:
    from batch.operations import Operation

    given = {
        name: getattr(args, name)
        for name in ("detail", "seed", "temperature", "prior")
        if hasattr(args, name)
    }
    return Operation(args.operation, dict(getattr(args, "attribute", ())), **given)


def _source(args: argparse.Namespace, bundle: Bundle, operation: Operation) -> Source:
    from batch.operations import TAKES
    from batch.sources import open_source
    from batch.sources.drawn import DrawnSource
    from inference.sampling import Priors

    if operation.name != "sample":
        return open_source(args.input, TAKES[operation.name], column=args.column, key=args.key)
    operation.check(bundle)
    priors = Priors(bundle)
    stream = partial(priors.stream, operation.seed, operation.temperature, operation.prior)
    return DrawnSource(args.count, stream)


def _runner(args: argparse.Namespace) -> Runner | None:
    if args.ray is None:
        return None
    from batch.cluster import ray_runner

    return ray_runner(args.ray, actors=args.ray_actors)


def _options(args: argparse.Namespace) -> JobOptions:
    from batch.job import JobOptions

    return JobOptions(
        out=args.out,
        images=getattr(args, "images", None),
        shard_rows=args.shard_rows,
        batch_size=args.batch_size,
        threads=args.threads,
        device=args.device,
        max_image_pixels=args.max_image_pixels,
        max_image_bytes=args.max_image_bytes,
    )


def _shown(summary: Summary, out: Path) -> str:
    now = summary.items - summary.before
    lines = [f"latentserve batch: {note}" for note in summary.notes]
    if not now:
        text = f"nothing to do: all {summary.items} items were done before"
    else:
        rate = now / max(summary.seconds, 1e-6)
        before = f", {summary.before} were done before" if summary.before else ""
        text = f"{now} items done in {summary.seconds:.1f} s ({rate:.0f}/s){before}"
    failed = f"{summary.failed} failed, see {out}/errors.parquet" if summary.failed else "0 failed"
    return "\n".join([*lines, f"latentserve batch: {text}; {failed}; rows in {out}/rows"])


def _complain(text: str) -> int:
    print(f"latentserve batch: {text}", file=sys.stderr)
    return 1


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a positive number")
    return value


def _strength(text: str) -> tuple[str, float]:
    name, equals, number = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=STRENGTH, as glasses=1")
    return name, float(number)

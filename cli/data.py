"""``latentserve data``: make and look at image sets."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two commands below ``data``."""
    commands = parser.add_subparsers(dest="data_command", required=True, metavar="COMMAND")
    drawing = commands.add_parser("draw-faces", help="draw portraits whose attributes are known")
    drawing.add_argument("--out", type=Path, default=Path("data/faces-64"), help="folder to write")
    drawing.add_argument("--count", type=_positive, default=30_000, help="number of faces")
    drawing.add_argument("--size", type=_positive, default=64, help="pixels a side")
    drawing.add_argument("--seed", type=int, default=0, help="another seed, another set")
    drawing.add_argument(
        "--processes", type=_positive, default=os.cpu_count() or 1, help="default: one per core"
    )
    showing = commands.add_parser("show", help="read a set and say what is in it")
    showing.add_argument("path", type=Path)
    showing.add_argument("--size", type=_positive, default=64, help="pixels a side")
    showing.add_argument("--limit", type=_positive, help="read at most so many images")
    showing.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep images in files there, not in memory"
    )


def run(args: argparse.Namespace) -> int:
    """Run ``draw-faces`` or ``show``; 0 if all went well."""
    return _draw(args) if args.data_command == "draw-faces" else _show(args)


def _draw(args: argparse.Namespace) -> int:
    from training.data.dataset import DataError
    from training.data.draw_set import draw_faces
    from training.data.progress import show

    if args.out.exists():
        print(
            f"{args.out} exists already; remove it or choose another --out folder", file=sys.stderr
        )
        return 1
    try:
        draw_faces(
            args.out,
            count=args.count,
            size=args.size,
            seed=args.seed,
            processes=args.processes,
            progress=show("drawing faces"),
        )
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{args.count} faces of {args.size}×{args.size} pixels in {args.out}")
    return 0


def _show(args: argparse.Namespace) -> int:
    from bundle.manifest import ImageSpec
    from training.data import DataError, load
    from training.data.progress import show

    image = ImageSpec(height=args.size, width=args.size, channels=3, resize="box", crop="centre")
    try:
        read = load(
            args.path,
            image,
            limit=args.limit,
            cache=args.cache,
            progress=show("reading images"),
        )
        print(read.summary())
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a positive number")
    return value

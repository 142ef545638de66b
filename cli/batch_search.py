"""``latentserve batch index`` and ``query``: the nearest items of a finished job."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from batch.search import LatentIndex
    from bundle import Bundle

SEARCH = {
    "index": "make the latents of a finished job searchable",
    "query": "the items nearest to an image, a key or a latent, moved along attributes",
}


def add_commands(
    add: Callable[..., argparse.ArgumentParser], strength: Callable[[str], tuple[str, float]]
) -> None:
    """The two commands below ``batch``."""
    for name, line in SEARCH.items():
        command = add(name, help=line, description=line.capitalize() + ".")
        command.add_argument("out", type=Path, metavar="OUT", help="output folder of a job")
        if name == "query":
            what = command.add_mutually_exclusive_group(required=True)
            what.add_argument("--image", type=Path, help="an image file")
            what.add_argument("--key", help="an item of the job")
            what.add_argument("--latent", type=Path, help="an .npy file of L numbers")
            command.add_argument(
                "--attribute",
                type=strength,
                action="append",
                default=[],
                metavar="NAME=STRENGTH",
                help="move the question: glasses=1 adds them, hat=-1 takes it away",
            )
            command.add_argument("--bundle", type=Path, default=Path("models/faces-64"))
            command.add_argument("--count", type=_count, default=10, help="default: 10")
            command.add_argument(
                "--exact", action="store_true", help="compare with every item; slower, misses none"
            )


def run_search(args: argparse.Namespace) -> int:
    """Index, or print the hits: distance, key and file, parted by tabs."""
    from batch.search import LatentIndex, build_index
    from bundle import open_bundle

    if args.operation == "index":
        print(f"{build_index(args.out)} latents in {args.out}/index.usearch")
        return 0
    index = LatentIndex(args.out)
    question = _question(args, index, open_bundle(args.bundle))
    for hit in index.nearest(question, args.count, exact=args.exact):
        print(f"{hit.distance:.4f}\t{hit.key}" + (f"\t{hit.file}" if hit.file else ""))
    return 0


def _question(args: argparse.Namespace, index: LatentIndex, bundle: Bundle) -> NDArray[np.float32]:
    from batch.errors import BatchError
    from batch.job import bundle_hash
    from batch.question import latent_of_image, moved
    from inference.arrays import read_npy

    made_by = index.job.bundle
    if made_by.sha256 != bundle_hash(bundle):
        raise BatchError(
            f"the latents in {args.out} are of {made_by.name} {made_by.version}, and --bundle "
            f"{args.bundle} is another; give the bundle of the job"
        )
    if args.image is not None:
        latent = latent_of_image(bundle, args.image)
    elif args.key is not None:
        latent = index.latent_of(args.key)
    else:
        latent = read_npy(args.latent.read_bytes(), max_items=1).reshape(-1)
    return moved(bundle, latent, dict(args.attribute))


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10_000:  # noqa: PLR2004 - said in the message
        raise argparse.ArgumentTypeError(f"{value} is not from 1 to 10000")
    return value

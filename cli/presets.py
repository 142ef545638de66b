"""``latentserve presets``: the recipes that ``train`` knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from training.presets import Preset

HEADINGS = ("name", "image", "latents", "parameters", "source", "summary")
TO_THE_RIGHT = ("latents", "parameters")
MILLION, THOUSAND = 1_000_000, 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``presets``."""
    parser.add_argument(
        "--json", action="store_true", help="everything about each preset, for programs"
    )
    parser.epilog = "examples:\n  latentserve presets\n  latentserve presets --json"


def run(args: argparse.Namespace) -> int:
    """Print a table, or with ``--json`` a list of objects."""
    from training.presets import PRESETS

    counts = {name: _parameters(preset) for name, preset in PRESETS.items()}
    if args.json:
        shown = [
            {
                **preset.model_dump(mode="json"),
                "parameters": dict(zip(("encoder", "decoder"), counts[name], strict=True)),
            }
            for name, preset in PRESETS.items()
        ]
        print(json.dumps(shown, indent=2, ensure_ascii=False))
        return 0
    rows = [_row(preset, counts[name]) for name, preset in PRESETS.items()]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    for row in (HEADINGS, *rows):
        cells = (
            cell.rjust(width) if heading in TO_THE_RIGHT else cell.ljust(width)
            for heading, cell, width in zip(HEADINGS, row, widths, strict=True)
        )
        print("  ".join(cells).rstrip())
    print("\nparameters: of encoder + decoder, statistics of normalisations included")
    for book in dict.fromkeys(_book(preset.source) for preset in PRESETS.values() if preset.source):
        print(f"source: {book}")
    return 0


def _parameters(preset: Preset) -> tuple[int, int]:
    """Of encoder and decoder; no memory is taken for them."""
    import torch

    from training.models import build_network, parameter_count

    with torch.device("meta"):
        network = build_network(preset)
    return parameter_count(network.encoder), parameter_count(network.decoder)


def _row(preset: Preset, counts: tuple[int, int]) -> tuple[str, ...]:
    author, section = preset.source.partition(", ")[0], preset.source.rpartition(", ")[2]
    return (
        preset.name,
        "×".join(map(str, preset.image.shape)),
        str(preset.latent),
        " + ".join(map(_short, counts)),
        f"{author}, {section}" if preset.source else "ours",
        preset.summary,
    )


def _book(source: str) -> str:
    """``source`` without its last part, the section."""
    return source.rpartition(", ")[0]


def _short(count: int) -> str:
    """96770 → ``97k``, 31702168 → ``31.7M``."""
    if count >= MILLION:
        return f"{count / MILLION:.1f}M"
    return f"{count / THOUSAND:.0f}k"

"""``latentserve presets``: the recipes that ``train`` knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options."""
    parser.epilog = "example:\n  latentserve presets"


def run(_args: argparse.Namespace) -> int:
    """Print one line for each preset."""
    from training.presets import PRESETS

    for preset in PRESETS.values():
        image = preset.image
        size = f"{image.height}×{image.width}×{image.channels}"
        print(f"{preset.name:<14} {size:<9} {preset.latent:>3} latents  {preset.summary}")
    return 0

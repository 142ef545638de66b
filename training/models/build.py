"""From a preset's words to a network with fresh weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from training.models.reference import REFERENCES
from training.models.vae import VAE

if TYPE_CHECKING:
    from training.models.network import Network
    from training.presets import Preset

OWN = "vae"
"""The network of this project; the others are `REFERENCES`."""


def build_network(preset: Preset) -> Network:
    """The network that ``preset`` names, for its image and latents.

    Raises:
        ValueError: There is no such network, or it is not for images of this shape.
    """
    height, width, channels = shape = preset.image.shape
    if preset.network == OWN:
        if height != width:
            raise ValueError(
                f"network {OWN!r} is for square images, not {height}×{width}; make both sides equal"
            )
        return VAE(
            channels=channels,
            size=height,
            widths=preset.widths,
            residual=preset.residual,
            latent=preset.latent,
        )
    reference = REFERENCES.get(preset.network)
    if reference is None:
        raise ValueError(
            f"no network {preset.network!r}; there are {', '.join((OWN, *REFERENCES))}"
        )
    if reference.shape != shape:
        raise ValueError(
            f"network {preset.network!r} is written for images of {_text(reference.shape)}, not "
            f"{_text(shape)}; leave the preset's image as it is, or take network {OWN!r}, which "
            "fits other sizes"
        )
    return reference.build(preset.latent)


def check_network(preset: Preset) -> None:
    """Raise what `build_network` would raise, before any image is read; takes no memory."""
    with torch.device("meta"):
        build_network(preset)


def _text(shape: tuple[int, int, int]) -> str:
    return "×".join(map(str, shape))

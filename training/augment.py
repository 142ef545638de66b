"""Augmentation: small changes of training images that leave their labels true.

    image [B, C, H, W] in [0, 1], options, draws → one row of chances per image [B, 8]
    → mirrored, moved, zoomed, lit differently [B, C, H, W] in [0, 1]

Knows no label: whether a mirrored image keeps its attributes is decided by who sets ``mirror``.

1. Every image is changed in its own way, by numbers that come from ``draws`` alone.
2. The same eight numbers are drawn per image whatever the options are, so that switching one
   change off leaves the others as they were.
3. With every option at 0 the image comes back as it was, bit for bit, and nothing is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from training.draws import Draws

CHANCES = 8
"""Numbers per image: mirror, move x and y, zoom, brightness, red, green, blue."""
COLOURS = 3


class Augmentation(BaseModel):
    """How far training images may be changed; what is not named stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mirror: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the images that are mirrored left to right. Leave it at 0 if an "
        "attribute tells left from right (a parting, a pocket, a letter).",
    )
    move: float = Field(
        default=0.0,
        ge=0,
        le=0.25,
        description="Images move by up to this share of width and height; edges are continued.",
    )
    zoom: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Images are magnified by a factor from 1 - zoom to 1 + zoom.",
    )
    brightness: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Grey levels are multiplied by a factor from 1 - brightness to 1 + brightness.",
    )
    colour: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Red, green and blue are each multiplied by a factor from 1 - colour to "
        "1 + colour; grey images are left alone.",
    )


def augment(image: Tensor, options: Augmentation, draws: Draws) -> Tensor:
    """Change each image in its own way, as far as ``options`` allow.

    Args:
        image: float [B, C, H, W] in [0, 1], C being 1 or 3.
        options: How far.
        draws: The step's random numbers; it moves on by [B, 8] of them.

    Returns:
        float [B, C, H, W] in [0, 1], of the dtype and on the device of ``image``.
    """
    if options == Augmentation():
        return image
    drawn = draws.uniform(len(image), CHANCES).to(image.device)
    flip = drawn[:, 0] < options.mirror
    spread = 2.0 * drawn[:, 1:] - 1.0
    changed = image
    if options.move or options.zoom:
        # Output pixels look up where they come from, hence the division.
        scale = 1.0 / (1.0 + options.zoom * spread[:, 2])
        side = torch.where(flip, -scale, scale)
        # Coordinates run from -1 to 1, so that a share of the width is twice the number.
        changed = _resampled(changed, side, scale, 2.0 * options.move * spread[:, :2])
    elif options.mirror:
        changed = torch.where(flip[:, None, None, None], changed.flip(3), changed)
    if options.brightness or options.colour:
        gain = 1.0 + options.brightness * spread[:, 3:4]
        if image.shape[1] == COLOURS:
            gain = gain * (1.0 + options.colour * spread[:, 4:7])
        changed = (changed * gain[:, :, None, None].to(changed.dtype)).clamp(0.0, 1.0)
    return changed


def _resampled(image: Tensor, scale_x: Tensor, scale_y: Tensor, shift: Tensor) -> Tensor:
    """Bilinear look-up at scale · place + shift, edges continued: [B, C, H, W] → the same."""
    zero = torch.zeros_like(scale_x)
    rows = (
        torch.stack((scale_x, zero, shift[:, 0]), dim=1),
        torch.stack((zero, scale_y, shift[:, 1]), dim=1),
    )
    matrix = torch.stack(rows, dim=1).to(image.dtype)
    grid = F.affine_grid(matrix, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)

"""The size at which judges see images: small ones as they are, larger ones shrunk.

What tells an attribute apart is seen at 64 pixels, and a judge of a larger image costs more than
the network that it judges: at 256 pixels, half of a training step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 64
"""Larger images are shrunk to this longer side."""


def judged_shape(height: int, width: int) -> tuple[int, int]:
    """The (height, width) at which images of this size are judged."""
    scale = min(1.0, SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink(image: Tensor, shape: tuple[int, int]) -> Tensor:
    """The mean of each box, as `bundle.geometry` shrinks: float [B, C, H, W] → [B, C, *shape]."""
    if tuple(image.shape[2:]) == shape:
        return image
    return F.interpolate(image, shape, mode="area")


def seen(image: Tensor) -> Tensor:
    """What a judge sees of ``image`` float [B, C, H, W]: the same at the judged size."""
    height, width = image.shape[2:]
    return shrink(image, judged_shape(height, width))

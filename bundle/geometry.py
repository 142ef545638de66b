"""How an image of any size is laid onto the model's size: numbers only, no pixels.

Training and serving both resize by these numbers, so that a photo becomes the same array on
both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bundle.manifest import ImageSpec


class Placement(NamedTuple):
    """Which part of a source is taken, and where it lies on the model's canvas.

    Attributes:
        box: (left, top, right, bottom) in source pixels, fractions allowed.
        size: (width, height) that the box is resized to.
        offset: (x, y) of the resized part on a black canvas of the model's size.
    """

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    offset: tuple[int, int]


def placement(width: int, height: int, image: ImageSpec) -> Placement:
    """Where a source of ``width`` × ``height`` pixels goes, by the crop rule of ``image``."""
    target_width, target_height = image.width, image.height
    whole = (0.0, 0.0, float(width), float(height))
    full = (target_width, target_height)
    if image.crop == "squash":
        return Placement(whole, full, (0, 0))
    scale_x, scale_y = target_width / width, target_height / height
    if image.crop == "centre":
        scale = max(scale_x, scale_y)
        inner_width, inner_height = target_width / scale, target_height / scale
        left, top = (width - inner_width) / 2, (height - inner_height) / 2
        box = (max(left, 0.0), max(top, 0.0))
        return Placement(
            (*box, min(left + inner_width, width), min(top + inner_height, height)), full, (0, 0)
        )
    scale = min(scale_x, scale_y)
    if image.crop == "place":
        scale = min(scale, 1.0)
    size = (
        max(1, min(target_width, round(width * scale))),
        max(1, min(target_height, round(height * scale))),
    )
    return Placement(whole, size, ((target_width - size[0]) // 2, (target_height - size[1]) // 2))

"""Rows of images become one inlined picture, enlarged by a whole factor.

rows of uint8 [N, H, W, C] → RGBA sheet with clear gaps → PNG → data URI, size on the page

Small images are enlarged by the browser, pixel by pixel; large ones are shrunk here, so that the
page stays small.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    UInt8 = NDArray[np.uint8]

CELL = 128
"""Side of an image on the page at most, in CSS pixels."""
SMALL_CELL = 64
"""The same in grids of many."""
GAP = 4
"""Between images, in CSS pixels."""


@dataclass(frozen=True)
class Sheet:
    """A picture of rows of images.

    Attributes:
        src: ``data:image/png;base64,…``.
        width: On the page, in CSS pixels.
        height: The same.
        alt: What is seen, for those who do not see it.
        columns: A heading for each column; may be empty.
        rows: A name for each row; may be empty.
        scale: CSS pixels for each pixel of the images; below 1 where they were shrunk.
    """

    src: str
    width: int
    height: int
    alt: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    scale: float


def sheet(
    rows: Sequence[UInt8],
    alt: str,
    *,
    columns: Sequence[str] = (),
    names: Sequence[str] = (),
    cell: int = CELL,
    gap: int = GAP,
) -> Sheet:
    """Lay out ``rows`` of images of one size below each other.

    Args:
        rows: uint8 [N, H, W, C] each, C 1 or 3; shorter rows end earlier.
        alt: What is seen.
        columns: A heading for each column.
        names: A name for each row.
        cell: Side of an image at most, in CSS pixels.
        gap: Between images, in CSS pixels.
    """
    side = max(rows[0].shape[1:3])
    shrink = -(-side // cell)
    enlarge = max(1, cell // side)
    if shrink > 1:
        rows = [_shrunk(row, shrink) for row in rows]
    # Gaps are at least one pixel of the enlarged image, or there would be no whole factor.
    step = 0 if gap == 0 else max(1, round(gap / enlarge))
    pixels = laid_out(rows, step)
    height, width = pixels.shape[:2]
    return Sheet(
        src=_data_uri(pixels),
        width=width * enlarge,
        height=height * enlarge,
        alt=alt,
        columns=tuple(columns),
        rows=tuple(names),
        scale=1 / shrink if shrink > 1 else float(enlarge),
    )


def laid_out(rows: Sequence[UInt8], gap: int) -> UInt8:
    """Rows of images uint8 [N, H, W, C] below each other, uint8 [h, w, 4]; gaps are clear."""
    height, width = rows[0].shape[1:3]
    columns = max(map(len, rows))
    pixels = np.zeros(
        (len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8
    )
    for line, row in enumerate(rows):
        for column, image in enumerate(row):
            y, x = line * (height + gap), column * (width + gap)
            place = pixels[y : y + height, x : x + width]
            place[..., :3] = image
            place[..., 3] = 255
    return pixels


def in_rows(images: UInt8, columns: int) -> list[UInt8]:
    """Images [N, …] as rows of ``columns``; the last may be shorter."""
    return [images[start : start + columns] for start in range(0, len(images), columns)]


def _shrunk(row: UInt8, factor: int) -> UInt8:
    """The mean of each box; the sides need not be multiples of ``factor``."""
    height, width = (-(-side // factor) for side in row.shape[1:3])
    small = [
        np.asarray(Image.fromarray(image.squeeze()).resize((width, height), Image.Resampling.BOX))
        for image in row
    ]
    return np.stack(small).reshape(len(row), height, width, row.shape[3])


def _data_uri(pixels: UInt8) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()

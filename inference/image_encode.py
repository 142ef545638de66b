"""Images out: arrays become files, one function per format in one table.

    uint8 [H, W, C] → `MEDIA_TYPES[media type].write` → bytes
    uint8 [N, H, W, C] → contact sheet uint8 [h, w, C] → one file

Knows no HTTP: which media type it shall be is decided before.
"""

from __future__ import annotations

import io
import math
import struct
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from isal import isal_zlib
from PIL import Image
from simplejpeg import encode_jpeg

from inference.errors import InvalidRequest, NotAcceptable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

GAP_PX = 2
"""White pixels between the cells of a contact sheet."""
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's number for so many channels."""
_WITH_ALPHA = (2, 4)
"""Channels of grey and of RGB with alpha."""
_QUALITY = 92

_DEFLATE_LEVEL = 3
"""ISA-L's levels 1 and 2 are a little faster, but give other bytes from process to process."""


class OutputFormat(NamedTuple):
    """How one media type is written.

    Attributes:
        extension: Of a file of this type, with its dot.
        max_side: Pixels of a side that the format can hold.
        write: uint8 [H, W, C] → the file's bytes.
    """

    extension: str
    max_side: int
    write: Callable[[NDArray[np.uint8]], bytes]


def encode(image: NDArray[np.uint8], media_type: str) -> bytes:
    """One image as a file.

    Args:
        image: uint8 [H, W, C], C is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).
        media_type: A key of `MEDIA_TYPES`. PNG is lossless; JPEG (4:4:4) and WebP are not, and
            JPEG has no alpha: what is transparent lies over white.

    Raises:
        NotAcceptable: No such media type is written here.
        InvalidRequest: The format cannot hold an image of that size.
    """
    output = MEDIA_TYPES.get(media_type)
    if output is None:
        raise NotAcceptable(
            f"images are not written as {media_type!r}; ask for {', '.join(MEDIA_TYPES)}",
            details={"available": list(MEDIA_TYPES)},
        )
    height, width, _ = image.shape
    if max(height, width) > output.max_side:
        raise InvalidRequest(
            f"the picture is {width} × {height} pixels, but {media_type} holds {output.max_side} "
            "a side; ask for fewer images, other columns or image/png"
        )
    return output.write(image)


def contact_sheet(images: NDArray[np.uint8], columns: int | None = None) -> NDArray[np.uint8]:
    """Several images as one, in rows from the top left, 2 white pixels apart.

    Args:
        images: uint8 [N, H, W, C], N at least 1.
        columns: Images in a row; the squarest sheet if None. More than N is N.

    Returns:
        uint8 [h, w, C]; of one image, that image itself.

    Raises:
        InvalidRequest: ``columns`` is less than 1.
    """
    count, height, width, channels = images.shape
    if columns is None:
        columns = math.ceil(math.sqrt(count))
    if columns < 1:
        raise InvalidRequest(f"columns is {columns}, but must be at least 1")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    high, wide = height + GAP_PX, width + GAP_PX
    cells = np.full((rows * columns, high, wide, channels), 255, np.uint8)
    cells[:count, :height, :width] = images
    sheet = cells.reshape(rows, columns, high, wide, channels).swapaxes(1, 2)
    return np.ascontiguousarray(
        sheet.reshape(rows * high, columns * wide, channels)[:-GAP_PX, :-GAP_PX]
    )


def _png(image: NDArray[np.uint8]) -> bytes:
    height, width, channels = image.shape
    lines = image.reshape(height, width * channels)
    # Every line as its difference from the one above (filter 2): decoded faces are smooth, and
    # one filter for all is what makes this several times as fast as a search for the best one.
    filtered = np.empty((height, 1 + lines.shape[1]), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = lines[0]
    np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", isal_zlib.compress(filtered.data, _DEFLATE_LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", isal_zlib.crc32(checked))


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    picture = _over_white(image) if image.shape[2] in _WITH_ALPHA else image
    grey = picture.shape[2] == 1
    content: bytes = encode_jpeg(
        np.ascontiguousarray(picture),
        quality=_QUALITY,
        colorspace="GRAY" if grey else "RGB",
        colorsubsampling="Gray" if grey else "444",
    )
    return content


def _over_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    picture = _as_pillow(image)
    canvas = Image.new(picture.mode.removesuffix("A"), picture.size, "white")
    canvas.paste(picture.convert(canvas.mode), mask=picture.getchannel("A"))
    return np.asarray(canvas).reshape(*image.shape[:2], image.shape[2] - 1)


def _webp(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    _as_pillow(image).save(buffer, "WEBP", quality=_QUALITY, method=2)
    return buffer.getvalue()


def _as_pillow(image: NDArray[np.uint8]) -> Image.Image:
    plane = image[:, :, 0] if image.shape[2] == 1 else image
    return Image.fromarray(np.ascontiguousarray(plane))


MEDIA_TYPES: Mapping[str, OutputFormat] = MappingProxyType(
    {
        "image/png": OutputFormat(".png", 2**31 - 1, _png),
        "image/jpeg": OutputFormat(".jpg", 65_500, _jpeg),
        "image/webp": OutputFormat(".webp", 16_383, _webp),
    }
)
"""What `encode` writes, by media type."""

"""Small plain PNGs and JPEGs, as programs write them, in a third of the time that Pillow takes.

    bytes → `plain_shape`, by the heads of chunks or segments: (H, W, C), or None for any other
          → `plain_pixels` → uint8 [H, W, C], or None if there is anything to complain of

Plain is a PNG of 8 bits a channel in grey, RGB or RGBA, not interlaced, with no chunk that changes
the picture; and a JPEG in grey or colour without EXIF, which may turn it.

1. What both read, Pillow reads to the same bit. It is stricter with two things that no pixel
   depends on: the checksum over a whole PNG (those of its chunks are checked) and texts beside it.
2. Nothing is refused here: what is not plain, or not whole, is Pillow's to read or to refuse.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kornia_rs.io import decode_image_jpegturbo, decode_image_png_u8

from inference.jpeg_segments import FRAMES, MAX_SCANS, SCAN, START, head

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Shape = tuple[int, int, int]

MAX_PNG_PIXELS = 256 * 256
"""These decoders keep the interpreter to themselves: half a millisecond for so many. Pillow's do
not, which takes longer for one small image and is better for a large one."""
MAX_JPEG_PIXELS = 128 * 128
"""Pillow reads JPEG faster than PNG, and what it reads it resizes without a copy."""
MAX_PLAIN_BYTES = 512 << 10
"""Twice what so many pixels take without compression; what else a file holds is not plain."""

_BITS = 8
_MODES = {1: "mono", 3: "rgb", 4: "rgba"}

_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_PNG_HEADER = struct.Struct(">IIBBBBB")
_PNG_CHUNK = struct.Struct(">I4s")
_PNG_CHECKSUM_BYTES = 4
_PNG_CHANNELS = {0: 1, 2: 3, 6: 4}
"""By PNG's number for a type of colour."""
# Not among them: tRNS and eXIf, which change the picture, acTL, which makes it move, and what is
# compressed (iCCP, zTXt, iTXt), since it may grow.
_PNG_HARMLESS = frozenset(
    (b"IDAT", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs", b"bKGD", b"tIME", b"tEXt")
)
_PNG_MOST_CHUNKS = 64

_JPEG_FRAME = struct.Struct(">BHHB")
_JPEG_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
"""Baseline, extended, progressive."""
_JPEG_HARMLESS = frozenset((*range(0xE0, 0xF0), 0xC4, 0xDB, 0xDD, 0xFE))
"""Applications' own, tables of codes and of quantisation, restarts, a comment."""
_JPEG_CHANNELS = (1, 3)


def plain_shape(data: bytes) -> Shape | None:
    """(H, W, C) of a small plain image by its header, or None.

    Args:
        data: A whole file of any kind.
    """
    if len(data) > MAX_PLAIN_BYTES:
        return None
    if data.startswith(START):
        return _jpeg_shape(data)
    return _png_shape(data) if data.startswith(_PNG_START) else None


def plain_pixels(data: bytes, shape: Shape) -> NDArray[np.uint8] | None:
    """Decode a small plain image.

    Args:
        data: The file.
        shape: What `plain_shape` said of it.

    Returns:
        uint8 [H, W, C]; None if the file is damaged or cut short, or otherwise odd.
    """
    height, width, channels = shape
    pixels: NDArray[np.uint8]
    try:
        if data.startswith(START):
            pixels = decode_image_jpegturbo(data, _MODES[channels])
        else:
            pixels = decode_image_png_u8(data, (height, width), _MODES[channels])
    # Whatever is wrong with a file, kornia-rs raises a plain `Exception`.
    except Exception:  # noqa: BLE001  (said above; Pillow has the last word on the file)
        return None
    except BaseException as error:
        # A panic of Rust would pass everybody who answers for a request.
        if type(error).__name__ != "PanicException":
            raise
        return None
    return pixels if pixels.shape == shape else None


def _png_shape(data: bytes) -> Shape | None:
    end = len(_PNG_START) + _PNG_HEADER.size + _PNG_CHECKSUM_BYTES
    if len(data) < end:
        return None
    width, height, bits, colour, *methods = _PNG_HEADER.unpack_from(data, len(_PNG_START))
    channels = _PNG_CHANNELS.get(colour)
    if bits != _BITS or channels is None or any(methods):
        return None
    if not 0 < width * height <= MAX_PNG_PIXELS:
        return None
    return (height, width, channels) if _has_only_harmless_chunks(data, end) else None


def _has_only_harmless_chunks(data: bytes, at: int) -> bool:
    for _ in range(_PNG_MOST_CHUNKS):
        if at + _PNG_CHUNK.size > len(data):
            return False
        size, kind = _PNG_CHUNK.unpack_from(data, at)
        if kind == b"IEND":
            return True
        if kind not in _PNG_HARMLESS:
            return False
        at += _PNG_CHUNK.size + size + _PNG_CHECKSUM_BYTES
    return False


def _jpeg_shape(data: bytes) -> Shape | None:
    shape: Shape | None = None
    for marker, begin, end in head(data):
        if marker == SCAN:
            # What might be too many scans needs a closer look.
            return shape if data.count(b"\xff\xda") <= MAX_SCANS else None
        if marker in FRAMES:
            if shape is not None or marker not in _JPEG_FRAMES or end > len(data):
                return None
            bits, height, width, channels = _JPEG_FRAME.unpack_from(data, begin)
            if bits != _BITS or channels not in _JPEG_CHANNELS:
                return None
            if not 0 < width * height <= MAX_JPEG_PIXELS:
                return None
            shape = (height, width, channels)
        elif marker not in _JPEG_HARMLESS or data.startswith(b"Exif", begin):
            return None
    return None

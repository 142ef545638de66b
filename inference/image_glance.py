"""How large an image is, from its first bytes and in microseconds: enough to tell light from heavy.

bytes → width × height of a PNG or a JPEG | None

A glance refuses nothing and promises nothing: what an image really is, `inference.image_decode`
finds out.
"""

from __future__ import annotations

from inference.jpeg_segments import FRAMES, START, head

LIGHT_BYTES = 64 << 10
LIGHT_PIXELS = 256 * 256
"""Read in a millisecond or so, which is what a graph needs for an image."""
_PNG = b"\x89PNG\r\n\x1a\n"


def is_light(data: bytes) -> bool:
    """Whether an image is small enough to be read in passing."""
    pixels = glance(data) if len(data) <= LIGHT_BYTES else None
    return pixels is not None and pixels <= LIGHT_PIXELS


def glance(data: bytes) -> int | None:
    """Pixels, width × height, by the head of a PNG or a JPEG; None for anything else."""
    if data.startswith(_PNG):
        return _product(data[16:20], data[20:24])
    if not data.startswith(START):
        return None
    for marker, begin, _ in head(data):
        if marker in FRAMES:
            return _product(data[begin + 3 : begin + 5], data[begin + 1 : begin + 3])
    return None


def _product(width: bytes, height: bytes) -> int | None:
    return int.from_bytes(width) * int.from_bytes(height) or None

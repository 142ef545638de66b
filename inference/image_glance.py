"""How large an image is, from its first bytes and in microseconds: enough to tell light from heavy.

bytes → width × height of a PNG or a JPEG | None

A glance refuses nothing and promises nothing: what an image really is, `inference.image_decode`
finds out.
"""

from __future__ import annotations

LIGHT_BYTES = 64 << 10
LIGHT_PIXELS = 256 * 256
"""Read in a millisecond or so, which is what a graph needs for an image."""
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's markers of a frame, whose head has the size."""
_MOST_SEGMENTS = 32


def is_light(data: bytes) -> bool:
    """Whether an image is small enough to be read in passing."""
    pixels = glance(data) if len(data) <= LIGHT_BYTES else None
    return pixels is not None and pixels <= LIGHT_PIXELS


def glance(data: bytes) -> int | None:
    """Pixels, width × height, by the head of a PNG or a JPEG; None for anything else."""
    if data.startswith(_PNG):
        return _product(data[16:20], data[20:24])
    if not data.startswith(_JPEG):
        return None
    at = len(_JPEG)
    for _ in range(_MOST_SEGMENTS):
        if len(data) < at + 9 or data[at] != 0xFF:  # noqa: PLR2004  (every marker begins so)
            return None
        if data[at + 1] in _SIZES:
            return _product(data[at + 7 : at + 9], data[at + 5 : at + 7])
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def _product(width: bytes, height: bytes) -> int | None:
    return int.from_bytes(width) * int.from_bytes(height) or None

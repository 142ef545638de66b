"""Which way up a photo is: the EXIF orientation, read without ever failing.

    EXIF bytes → TIFF header → first directory → tag 0x0112 → 1 to 8

Cameras and messengers write damaged EXIF, so anything odd means "as stored" (1): a photo with a
broken note about itself is still a photo.
"""

from __future__ import annotations

import struct

UPRIGHT = 1
_PREFIX = b"Exif\x00\x00"
_TAG = 0x0112
_SHORT = 3
_ENTRY_BYTES = 12
_MAX_ENTRIES = 256


def orientation(exif: bytes | None) -> int:
    """The orientation, 1 to 8, that ``exif`` (with or without its ``Exif`` prefix) tells of."""
    try:
        return _find((exif or b"").removeprefix(_PREFIX))
    except struct.error:
        return UPRIGHT


def _find(tiff: bytes) -> int:
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None:
        return UPRIGHT
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for index in range(min(entries, _MAX_ENTRIES)):
        place = directory + 2 + index * _ENTRY_BYTES
        tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, place)
        if tag == _TAG:
            valid = kind == _SHORT and count == 1 and 1 <= value <= 8  # noqa: PLR2004 - EXIF's range
            return int(value) if valid else UPRIGHT
    return UPRIGHT

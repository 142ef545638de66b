"""JPEGs by libjpeg-turbo's own interface: faster than through Pillow, and beside other threads.

    bytes → `check_scans` → `pixels` → uint8 [H, W, C], or None for what Pillow should look at

1. What is read here, Pillow reads to the same bit.
2. `pixels` refuses nothing: whatever a strict reader would complain about is Pillow's to judge.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from simplejpeg import decode_jpeg, decode_jpeg_header

from inference.errors import InvalidImage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SCANS = 32
"""Programs write ten for a progressive JPEG."""

_MAX_SEGMENTS = 4096
_COLOURS = {"L": "GRAY", "RGB": "RGB"}
"""libjpeg's name of what Pillow's modes hold."""
_SCAN, _END, _ALONE = 0xDA, 0xD9, frozenset((0x01, 0xD8))
"""Markers; the last ones have no length behind them."""
# Between two markers, 0xff is followed by 0 where it is a byte of the picture, or by a restart.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def check_scans(data: bytes) -> None:
    """Refuse a JPEG that goes over all of its pixels again and again.

    A scan of some bytes has all blocks of an image visited, so a small file could take minutes.

    Args:
        data: A file that begins as JPEGs do.

    Raises:
        InvalidImage: It has more than 32 scans, or more than 4,096 segments.
    """
    # Most files have not even the bytes for it; what comes after the image may be anything.
    if data.count(b"\xff\xda") <= MAX_SCANS:
        return
    at, scans = 2, 0
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None or found[0][1] == _END:
            return
        at = found.end()
        scans += found[0][1] == _SCAN
        if scans > MAX_SCANS:
            raise InvalidImage(
                f"the JPEG image has more than {MAX_SCANS} scans; save it anew",
                details={"limit": MAX_SCANS},
            )
        if found[0][1] not in _ALONE:
            at += int.from_bytes(data[at : at + 2])
    raise InvalidImage(f"the JPEG image has more than {_MAX_SEGMENTS} segments; save it anew")


def pixels(data: bytes, size: tuple[int, int], mode: str) -> NDArray[np.uint8] | None:
    """Decode a JPEG without a fault.

    Args:
        data: The file.
        size: Width and height that it must have.
        mode: Pillow's name of what it holds.

    Returns:
        uint8 [H, W, C]; None if ``mode`` is neither grey nor RGB, the size is another, or there is
        anything to complain of.
    """
    colour = _COLOURS.get(mode)
    if colour is None:
        return None
    try:
        height, width, *_ = decode_jpeg_header(data)
        return decode_jpeg(data, colour) if (width, height) == size else None
    except ValueError:
        return None

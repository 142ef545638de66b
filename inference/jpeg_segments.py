"""The segments of a JPEG: enough of its structure to know its size, and how often it is gone over.

bytes → `head`, the segments before the first scan
      → `check_scans`, of the whole file

Knows no pixels.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from inference.errors import InvalidImage

if TYPE_CHECKING:
    from collections.abc import Iterator

START = b"\xff\xd8"
SCAN = 0xDA
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a frame: bits, height, width and channels, as `>BHHB`."""
MAX_SCANS = 32
"""Programs write ten for a progressive JPEG, or a few more."""

_MOST_IN_HEAD = 32
_HEAD_BYTES = 4
"""Of a segment: 0xff, its marker, and its length from there on in two bytes."""
_MOST = 4096
_END = 0xD9
_ALONE = frozenset((0x01, 0xD8))
"""Markers without a length behind them."""
# Between two markers, 0xff is followed by 0 where it is a byte of the picture, or by a restart.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


class Segment(NamedTuple):
    """A segment: its marker, and where its content begins and ends."""

    marker: int
    begin: int
    end: int


def head(data: bytes) -> Iterator[Segment]:
    """The segments up to the first scan's own, 32 at most; fewer where something else stands."""
    at = len(START)
    for _ in range(_MOST_IN_HEAD):
        begin = at + _HEAD_BYTES
        if begin > len(data) or not data.startswith(b"\xff", at):
            return
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : begin])
        yield Segment(marker, begin, end)
        if marker == SCAN:
            return
        at = end


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
    at, scans = len(START), 0
    for _ in range(_MOST):
        found = _MARKER.search(data, at)
        if found is None or found[0][1] == _END:
            return
        at = found.end()
        scans += found[0][1] == SCAN
        if scans > MAX_SCANS:
            raise InvalidImage(
                f"the JPEG image has more than {MAX_SCANS} scans; save it anew",
                details={"limit": MAX_SCANS},
            )
        if found[0][1] not in _ALONE:
            at += int.from_bytes(data[at : at + 2])
    raise InvalidImage(f"the JPEG image has more than {_MOST} segments; save it anew")

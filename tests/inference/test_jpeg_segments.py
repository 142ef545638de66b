"""The segments of a JPEG: its head, and an end to its scans."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bundle.manifest import ImageSpec
from inference import images
from inference.errors import InvalidImage
from inference.jpeg_segments import MAX_SCANS, SCAN, check_scans, head

SPEC = ImageSpec(height=24, width=24, channels=3, resize="bicubic", crop="centre")
LIMITS = images.ImageLimits(max_image_pixels=1_000_000)
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 45, 3), np.uint8))


def saved(**options: Any) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, "JPEG", **options)
    return buffer.getvalue()


WHOLE = saved()
PROGRESSIVE = saved(progressive=True)


def test_the_head_ends_with_the_first_scan() -> None:
    found = list(head(PROGRESSIVE))
    assert found[-1].marker == SCAN
    assert [each.marker for each in found].count(SCAN) == 1
    for before, after in itertools.pairwise(found):
        assert after.begin == before.end + 4
        assert PROGRESSIVE[before.end] == 0xFF


def with_scans(data: bytes, more: int) -> bytes:
    """``data`` with its last scan, and the tables before it, some times more."""
    last = data[data.rindex(b"\xff\xc4", 0, data.rindex(b"\xff\xda")) : -2]
    return data[:-2] + more * last + data[-2:]


def test_scan_after_scan_is_refused() -> None:
    begun_with = PROGRESSIVE.count(b"\xff\xda")
    check_scans(with_scans(PROGRESSIVE, MAX_SCANS - begun_with))
    for more in (MAX_SCANS - begun_with + 1, 5000):
        data = with_scans(PROGRESSIVE, more)
        with pytest.raises(InvalidImage, match="more than 32 scans"):
            check_scans(data)
        with pytest.raises(InvalidImage, match="more than 32 scans"):
            images.decode(data, SPEC, LIMITS)
        with pytest.raises(InvalidImage, match="more than 32 scans"):
            images.read(data, LIMITS)


def test_what_only_looks_like_a_scan_counts_for_none() -> None:
    looks_so = b"\xff\xda" * (MAX_SCANS + 1)
    inside = WHOLE[:2] + b"\xff\xe5" + (len(looks_so) + 2).to_bytes(2) + looks_so + WHOLE[2:]
    behind = WHOLE + looks_so
    for data in (inside, behind):
        check_scans(data)
        np.testing.assert_array_equal(images.read(data, LIMITS), images.read(WHOLE, LIMITS))


def test_segment_after_segment_is_refused() -> None:
    data = WHOLE[:2] + 5000 * b"\xff\xe5\x00\x02" + WHOLE[2:] + b"\xff\xda" * (MAX_SCANS + 1)
    with pytest.raises(InvalidImage, match="more than 4096 segments"):
        check_scans(data)


@pytest.mark.parametrize("data", [b"\xff\xd8", b"\xff\xd8" + b"\xff\xda" * 99, b"\xff" * 999])
def test_what_ends_nowhere_ends_head_and_count(data: bytes) -> None:
    check_scans(data)
    assert len(list(head(data))) <= 32

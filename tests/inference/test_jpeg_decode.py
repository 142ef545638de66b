"""JPEGs: the same pixels as Pillow's, its judgement of the damaged, and an end to their scans."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bundle.manifest import ImageSpec
from inference import images
from inference.errors import InvalidImage
from inference.jpeg_decode import MAX_SCANS, check_scans, pixels

RNG = np.random.default_rng(0)
SPEC = ImageSpec(height=24, width=24, channels=3, resize="bicubic", crop="centre")
LIMITS = images.ImageLimits(max_image_pixels=1_000_000)


def picture(width: int = 45, height: int = 37) -> Image.Image:
    coarse = RNG.integers(0, 256, (1 + height // 6, 1 + width // 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height))


def saved(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


@given(
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    mode=st.sampled_from(["L", "RGB"]),
    quality=st.integers(1, 100),
    subsampling=st.integers(0, 2),
    progressive=st.booleans(),
    restart_marker_blocks=st.sampled_from([0, 1, 3]),
)
@settings(deadline=None, max_examples=120)
def test_the_pixels_are_those_of_pillow(width: int, height: int, mode: str, **options: Any) -> None:
    data = saved(picture(width, height).convert(mode), **options)
    found = pixels(data, (width, height), mode)
    assert found is not None
    assert found.dtype == np.uint8
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == mode
        np.testing.assert_array_equal(found, np.atleast_3d(np.asarray(image)))


def test_rgb_that_was_never_turned_into_ycbcr_is_read_alike() -> None:
    data = saved(picture(), keep_rgb=True)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(pixels(data, (45, 37), "RGB"), np.asarray(image))


def test_four_colours_are_left() -> None:
    assert pixels(saved(picture().convert("CMYK")), (45, 37), "CMYK") is None


def test_another_size_than_was_checked_is_left() -> None:
    assert pixels(saved(picture()), (45, 36), "RGB") is None


WHOLE = saved(picture())
PROGRESSIVE = saved(picture(), progressive=True)


@pytest.mark.parametrize("whole", [WHOLE, PROGRESSIVE], ids=["baseline", "progressive"])
@given(share=st.floats(0.3, 0.99))
@settings(deadline=None, max_examples=40)
def test_one_that_is_cut_short_is_left_and_refused(whole: bytes, share: float) -> None:
    data = whole[: int(share * len(whole))]
    assert pixels(data, (45, 37), "RGB") is None
    with pytest.raises(InvalidImage, match="damaged or cut short"):
        images.decode(data, SPEC, LIMITS)


def test_one_with_a_small_fault_is_read_as_pillow_reads_it() -> None:
    # Bytes that belong to nothing before the end: a strict reader complains, everybody reads it.
    data = WHOLE[:-2] + bytes(9) + WHOLE[-2:]
    assert pixels(data, (45, 37), "RGB") is None
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(images.read(data, LIMITS), np.asarray(image))


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
def test_what_ends_nowhere_ends_the_count(data: bytes) -> None:
    check_scans(data)
    assert pixels(data, (1, 1), "L") is None

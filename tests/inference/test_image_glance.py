"""A glance tells light images from heavy ones as the whole decoder would."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference.image_glance import LIGHT_BYTES, glance, is_light


def file(width: int, height: int, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, form, **options)
    return buffer.getvalue()


@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    form=st.sampled_from(["PNG", "JPEG"]),
)
def test_the_size_is_that_of_the_file(width: int, height: int, form: str) -> None:
    data = file(width, height, form)

    assert glance(data) == width * height
    assert is_light(data) == (width * height <= 256 * 256)


@pytest.mark.parametrize("options", [{"progressive": True}, {"exif": b"Exif\0\0" + bytes(200)}])
def test_a_jpeg_may_have_anything_before_its_frame(options: dict[str, object]) -> None:
    assert glance(file(30, 20, "JPEG", **options)) == 600


@pytest.mark.parametrize("form", ["WEBP", "GIF", "BMP"])
def test_other_formats_are_not_taken_for_light(form: str) -> None:
    assert glance(file(8, 8, form)) is None
    assert not is_light(file(8, 8, form))


def test_a_small_picture_in_a_large_file_is_not_light() -> None:
    assert not is_light(file(8, 8, "PNG") + bytes(LIGHT_BYTES))


def test_a_frame_that_says_it_is_huge_is_believed() -> None:
    data = bytearray(file(8, 8, "PNG"))
    data[16:24] = b"\x7f\xff\xff\xff" * 2
    assert not is_light(bytes(data))


@given(st.binary(max_size=400), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8"]))
def test_whatever_comes_is_looked_at_without_harm(noise: bytes, start: bytes) -> None:
    found = glance(start + noise)
    assert found is None or found > 0


def test_a_jpeg_of_endless_segments_is_given_up() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 6, np.uint8).tobytes()
    assert glance(b"\xff\xd8" + (b"\xff\xe0\x00\x08" + noise) * 100) is None

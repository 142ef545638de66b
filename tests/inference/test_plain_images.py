"""Small plain images: the same pixels as Pillow's, and everything else left to it."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, PngImagePlugin

from inference import plain_images
from inference.plain_images import (
    MAX_JPEG_PIXELS,
    MAX_PLAIN_BYTES,
    MAX_PNG_PIXELS,
    plain_pixels,
    plain_shape,
)

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (20, 30, 4), np.uint8)


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def by_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.atleast_3d(np.asarray(image))


def picture(channels: int) -> Image.Image:
    return Image.fromarray(PICTURE[:, :, 0] if channels == 1 else PICTURE[:, :, :channels])


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def with_chunk(data: bytes, kind: bytes, content: bytes, *, last: bool = False) -> bytes:
    at = len(data) - 12 if last else 33
    return data[:at] + chunk(kind, content) + data[at:]


def pixels(data: bytes) -> np.ndarray | None:
    shape = plain_shape(data)
    assert shape is not None
    found = plain_pixels(data, shape)
    assert found is None or (found.shape == shape and found.dtype == np.uint8)
    return found


@given(
    image=hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3, 4])),
        fill=st.integers(0, 255),
    ),
    level=st.integers(0, 9),
)
@settings(deadline=None, max_examples=100)
def test_the_pixels_are_those_that_were_written(image: np.ndarray, level: int) -> None:
    written = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    np.testing.assert_array_equal(pixels(saved(written, compress_level=level)), image)


@pytest.mark.parametrize("line_filter", range(5))
def test_every_filter_of_lines_is_undone(line_filter: int) -> None:
    lines = RNG.integers(0, 256, (20, 90), np.uint8)
    raw = b"".join(bytes([line_filter]) + line.tobytes() for line in lines)
    header = struct.pack(">IIBBBBB", 30, 20, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw))
    data += chunk(b"IEND", b"")
    np.testing.assert_array_equal(pixels(data), by_pillow(data))


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
def test_the_pixels_of_a_jpeg_are_those_of_pillow(
    width: int, height: int, mode: str, **options: Any
) -> None:
    coarse = RNG.integers(0, 256, (1 + height // 6, 1 + width // 6, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height)).convert(mode)
    data = saved(image, "JPEG", **options)
    np.testing.assert_array_equal(pixels(data), by_pillow(data))


def test_rgb_that_was_never_turned_into_ycbcr_is_read_alike() -> None:
    data = saved(picture(3), "JPEG", keep_rgb=True)
    np.testing.assert_array_equal(pixels(data), by_pillow(data))


@pytest.mark.parametrize("kind", [b"gAMA", b"sRGB", b"pHYs", b"tEXt"])
def test_a_chunk_that_changes_nothing_is_passed(kind: bytes) -> None:
    content = {b"gAMA": b"\0\0\xb1\x8f", b"sRGB": b"\0", b"pHYs": bytes(9), b"tEXt": b"a\0b"}
    data = with_chunk(saved(picture(3)), kind, content[kind])
    np.testing.assert_array_equal(pixels(data), PICTURE[:, :, :3])


JPEG = saved(picture(3), "JPEG")
FRAME = JPEG[JPEG.index(b"\xff\xc0") :][: 2 + 17]
TEXT = PngImagePlugin.PngInfo()
TEXT.add_text("comment", "x" * 5000, zip=True)
EXIF = Image.Exif()
EXIF[0x0112] = 6


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        saved(picture(3))[:32],
        saved(picture(3))[:40],
        saved(picture(3))[:-12],
        saved(picture(1).convert("P")),
        saved(picture(1).convert("1")),
        saved(picture(1).convert("LA")),
        saved(Image.fromarray(PICTURE[:, :, 0].astype(np.uint16) * 257)),
        saved(picture(3), transparency=(0, 0, 0)),
        saved(picture(3), exif=EXIF),
        with_chunk(saved(picture(3)), b"eXIf", b"II*\0", last=True),
        saved(picture(3), icc_profile=b"profile"),
        saved(picture(3), pnginfo=TEXT),
        saved(picture(3), save_all=True, append_images=[picture(3).rotate(180)]),
        saved(Image.new("RGB", (257, 256))),
        saved(picture(3))[:28] + b"\1" + saved(picture(3))[29:],
        with_chunk(saved(picture(3)), b"IDAT", b"")[:33] + chunk(b"tEXt", b"a\0b") * 99,
        saved(picture(3)) + bytes(MAX_PLAIN_BYTES),
        b"\xff\xd8\xff\xe0",
        JPEG[: JPEG.index(b"\xff\xc0") + 6],
        JPEG[: JPEG.index(b"\xff\xda")],
        saved(picture(3), "JPEG", exif=EXIF),
        saved(picture(4).convert("CMYK"), "JPEG"),
        saved(Image.new("RGB", (129, 128)), "JPEG"),
        JPEG.replace(FRAME, FRAME + FRAME),
        JPEG.replace(b"\xff\xc0", b"\xff\xc3"),
        JPEG[:2] + b"\0" + JPEG[2:],
        JPEG + b"\xff\xda" * 99,
        saved(picture(3), "WEBP"),
    ],
    ids=[
        *("empty", "signature", "header cut", "chunk cut", "no end"),
        *("palette", "bits", "grey and alpha", "16 bits"),
        *("transparent colour", "EXIF", "EXIF last", "profile", "compressed text", "animated"),
        *("large", "interlaced", "many chunks", "much behind it"),
        *("JPEG alone", "JPEG's frame cut", "no scan", "JPEG with EXIF", "CMYK", "large JPEG"),
        *("two frames", "lossless", "junk", "many scans", "WebP"),
    ],
)
def test_what_is_not_plain_is_left(data: bytes) -> None:
    assert plain_shape(data) is None


def test_the_size_is_known_before_a_pixel_is() -> None:
    side = int(MAX_PNG_PIXELS**0.5)
    assert plain_shape(saved(Image.new("RGBA", (side, side)))) == (side, side, 4)
    side = int(MAX_JPEG_PIXELS**0.5)
    assert plain_shape(saved(Image.new("L", (side, side)), "JPEG")) == (side, side, 1)


DAMAGED = saved(picture(3))


@given(at=st.integers(41, len(DAMAGED) - 17), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=60)
def test_a_damaged_picture_is_left(at: int, bit: int) -> None:
    data = bytearray(DAMAGED)
    data[at] ^= 1 << bit
    assert pixels(bytes(data)) is None


@pytest.mark.parametrize("progressive", [False, True])
@given(share=st.floats(0.3, 0.99))
@settings(deadline=None, max_examples=40)
def test_a_jpeg_that_is_cut_short_is_left(progressive: bool, share: float) -> None:
    whole = saved(picture(3), "JPEG", progressive=progressive)
    at = max(whole.index(b"\xff\xda") + 14, int(share * len(whole)))
    assert pixels(whole[:at]) is None


def test_a_jpeg_with_a_small_fault_is_left() -> None:
    # Bytes that belong to nothing before the end: a strict reader complains, Pillow reads it.
    data = JPEG[:-2] + bytes(9) + JPEG[-2:]
    assert pixels(data) is None
    np.testing.assert_array_equal(by_pillow(data), by_pillow(JPEG))


def test_another_size_than_was_said_is_left() -> None:
    assert plain_pixels(JPEG, (30, 20, 3)) is None
    assert plain_pixels(saved(picture(3)), (30, 20, 3)) is None


def test_what_follows_the_picture_is_not_unpacked() -> None:
    # It might grow to gigabytes; here its second megabyte cannot be unpacked, and nobody notices.
    packer = zlib.compressobj()
    lines = packer.compress(bytes(20 * 91 + (1 << 20))) + packer.flush(zlib.Z_FULL_FLUSH)
    header = struct.pack(">IIBBBBB", 30, 20, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines + b"\xff" * 999)
    found = pixels(data + chunk(b"IEND", b""))
    assert found is not None
    assert not found.any()


def test_a_panic_of_the_decoder_is_no_panic_here(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(*_: object) -> None:
        raise PanicException

    monkeypatch.setattr(plain_images, "decode_image_png_u8", panic)
    assert pixels(saved(picture(3))) is None


def test_an_interrupt_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plain_images, "decode_image_png_u8", interrupt)
    with pytest.raises(KeyboardInterrupt):
        plain_pixels(saved(picture(3)), (20, 30, 3))

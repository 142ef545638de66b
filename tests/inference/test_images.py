"""Image codecs: every kind of file in, the right array or a clear refusal out."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, PngImagePlugin

from bundle.manifest import ImageSpec
from inference import images
from inference.errors import (
    InvalidImage,
    InvalidRequest,
    NotAcceptable,
    ServingError,
    ShapeMismatch,
    UnsupportedMediaType,
)

LIMITS = images.ImageLimits(max_image_pixels=1_000_000)
Crop = Literal["centre", "pad", "squash"]


def spec(
    height: int = 8, width: int = 8, channels: Literal[1, 3] = 3, crop: Crop = "centre"
) -> ImageSpec:
    return ImageSpec(height=height, width=width, channels=channels, resize="bilinear", crop=crop)


def saved(image: Image.Image, name: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def gradient(width: int = 12, height: int = 10) -> Image.Image:
    across = np.linspace(0, 255, width)[None, :, None]
    down = np.linspace(255, 0, height)[:, None, None]
    levels = np.concatenate([np.broadcast_to(a, (height, width, 1)) for a in (across, down)], 2)
    return Image.fromarray(np.dstack([levels, levels[:, :, :1] / 2]).astype(np.uint8))


def plain(level: int, mode: str = "RGB", size: tuple[int, int] = (9, 7)) -> Image.Image:
    return Image.new("L", size, level).convert(mode)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def png_of_size(width: int, height: int, scanlines: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", zlib.compress(scanlines, 9)),
            png_chunk(b"IEND", b""),
        )
    )


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_format_gives_the_models_shape(name: str) -> None:
    source = plain(200)
    decoded = images.decode(saved(source, name), spec(), LIMITS)
    assert decoded.shape == (8, 8, 3)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - 200).max() <= 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_png_mode_becomes_the_models_channels(mode: str, channels: Literal[1, 3]) -> None:
    decoded = images.decode(saved(plain(255, mode)), spec(channels=channels), LIMITS)
    assert decoded.shape == (8, 8, channels)
    assert (decoded == 255).all()


def test_cmyk_jpeg_becomes_rgb() -> None:
    data = saved(Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "JPEG", quality=95)
    red = images.decode(data, spec(), LIMITS)
    assert red[..., 0].min() > 225
    assert red[..., 1:].max() < 40


def test_sixteen_bit_grey_keeps_its_high_byte() -> None:
    levels = np.full((8, 8), 0x80FF, np.uint16)
    decoded = images.decode(saved(Image.fromarray(levels)), spec(), LIMITS)
    assert (decoded == 0x80).all()


def test_colour_becomes_grey_by_luma() -> None:
    decoded = images.decode(saved(Image.new("RGB", (8, 8), (255, 0, 0))), spec(channels=1), LIMITS)
    assert (decoded == 76).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_what_is_transparent_lies_over_white(mode: str) -> None:
    if mode in {"RGBA", "LA"}:
        black = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
        data = saved(black)
    else:
        transparent: Any = (0, 0, 0) if mode == "RGB" else 0
        data = saved(Image.new(mode, (8, 8), 0), transparency=transparent)
    assert (images.decode(data, spec(), LIMITS) == 255).all()


def test_half_transparent_is_mixed_with_white() -> None:
    data = saved(Image.new("RGBA", (8, 8), (0, 0, 0, 128)))
    assert set(images.decode(data, spec(), LIMITS).flat) <= {126, 127, 128}


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_counts(name: str) -> None:
    options: dict[str, Any] = {"lossless": True} if name == "WEBP" else {}
    frames = [plain(250), plain(10)]
    data = saved(frames[0], name, save_all=True, append_images=frames[1:], **options)
    assert images.decode(data, spec(), LIMITS).min() > 240


TURNED_BACK = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(name: str, orientation: int) -> None:
    upright = np.asarray(gradient(8, 8))
    # What a camera stores: the inverse of the turn that its note asks for.
    stored = Image.fromarray(np.ascontiguousarray(TURNED_BACK[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"PNG": {}, "JPEG": {"quality": 100, "subsampling": 0}}.get(
        name, {"lossless": True}
    )
    decoded = images.decode(saved(stored, name, exif=exif, **options), spec(), LIMITS)
    assert np.abs(decoded.astype(int) - upright).max() <= 4


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_senseless_orientation_means_as_stored(byte_order: str, value: int) -> None:
    tiff = (b"II*\0" if byte_order == "<" else b"MM\0*") + struct.pack(
        byte_order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0
    )
    source = gradient(8, 8)
    data = saved(source, exif=b"Exif\0\0" + tiff)
    assert (images.decode(data, spec(), LIMITS) == np.asarray(source)).all()


@given(exif=st.binary(max_size=80), header=st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*"]))
@settings(deadline=None, max_examples=60)
def test_damaged_exif_never_costs_the_photo(exif: bytes, header: bytes) -> None:
    # With a resolution in its header, Pillow has no reason of its own to look into the EXIF.
    data = saved(gradient(8, 8), "JPEG", dpi=(72, 72), exif=b"Exif\0\0" + header + exif)
    assert images.decode(data, spec(), LIMITS).shape == (8, 8, 3)


def test_a_model_sized_png_passes_unchanged() -> None:
    source = gradient(8, 8)
    assert (images.decode(saved(source), spec(), LIMITS) == np.asarray(source)).all()


def test_centre_crop_takes_the_middle() -> None:
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = 200
    assert (images.decode(saved(Image.fromarray(wide)), spec(), LIMITS)[:, 1:-1] == 200).all()


def test_pad_keeps_everything_over_black() -> None:
    decoded = images.decode(saved(plain(200, size=(16, 8))), spec(crop="pad"), LIMITS)
    assert (decoded[2:6] == 200).all()
    assert not decoded[:2].any()
    assert not decoded[6:].any()


@pytest.mark.parametrize("crop", ["centre", "pad", "squash"])
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_extreme_shapes_are_laid_out(crop: Crop, size: tuple[int, int]) -> None:
    decoded = images.decode(saved(plain(90, size=size)), spec(6, 10, crop=crop), LIMITS)
    assert decoded.shape == (6, 10, 3)
    assert decoded.max() == 90


def test_a_decompression_bomb_is_refused_before_its_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(_: PngImagePlugin.PngImageFile) -> None:
        pytest.fail("pixels were decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    width, height = 10_000, 6_000
    bomb = png_of_size(width, height, bytes(height * (1 + 3 * width)))
    with pytest.raises(InvalidImage) as refusal:
        images.decode(bomb, spec(), images.ImageLimits(max_image_pixels=16_000_000))
    for part in ("60 megapixels", "10000 × 6000", "limit is 16", "max_image_pixels"):
        assert part in refusal.value.message
    assert refusal.value.details == {"width": width, "height": height, "limit": 16_000_000}


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_the_pixel_limit_holds_for_every_format(name: str) -> None:
    data = saved(plain(1, size=(40, 30)), name)
    assert images.decode(data, spec(), images.ImageLimits(1200)).shape == (8, 8, 3)
    with pytest.raises(InvalidImage, match="40 × 30"):
        images.decode(data, spec(), images.ImageLimits(1199))


def test_a_gif_frame_beyond_its_screen_counts_in_full() -> None:
    data = bytearray(saved(plain(1, "L", size=(4, 4)), "GIF"))
    frame = data.index(b",\0\0\0\0", 13)
    data[frame + 5 : frame + 9] = struct.pack("<HH", 9_500, 9_500)
    with pytest.raises(InvalidImage, match=r"9500 × 9500|damaged"):
        images.decode(bytes(data), spec(), LIMITS)


def test_a_side_beyond_what_jpeg_holds_is_refused() -> None:
    with pytest.raises(InvalidImage, match="65535"):
        images.decode(png_of_size(100_000, 1), spec(), LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        png_of_size(0, 5),
        png_of_size(5, 0),
        saved(gradient(64, 64))[:120],
        saved(gradient(64, 64), "JPEG")[:400],
        saved(gradient(64, 64), "WEBP")[:60],
        saved(gradient(64, 64), "GIF")[:100],
        saved(gradient(64, 64), "BMP")[:100],
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"BM",
    ],
    ids=["empty", "no width", "no height", "png", "jpeg", "webp", "gif", "bmp", "p", "j", "b"],
)
def test_what_is_no_whole_image_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImage):
        images.decode(data, spec(), LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        b"hello, world",
        b"<svg/>",
        b"%PDF-1.7",
        b"RIFF\0\0\0\0WAVEfmt ",
        saved(gradient(), "TIFF"),
        saved(gradient(), "PPM"),
    ],
    ids=["text", "svg", "pdf", "wav", "tiff", "ppm"],
)
def test_other_formats_are_named_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedMediaType, match="PNG, JPEG, WebP, GIF or BMP"):
        images.decode(data, spec(), LIMITS)


def test_huge_text_and_a_junk_profile_do_not_crash() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "x" * 5_000_000, zip=True)
    with pytest.raises(InvalidImage):
        images.decode(saved(gradient(8, 8), pnginfo=text), spec(), LIMITS)
    junk = saved(gradient(8, 8), icc_profile=b"junk" * 1000)
    assert (images.decode(junk, spec(), LIMITS) == np.asarray(gradient(8, 8))).all()


SEEDS = [
    saved(gradient(24, 20), name, **options)
    for name, options in (
        ("PNG", {}),
        ("JPEG", {"quality": 60}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("BMP", {}),
    )
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        del data[draw(st.integers(1, len(data))) :]
    return bytes(data)


@given(
    data=st.one_of(
        mutated(),
        st.builds(
            bytes.__add__,
            st.sampled_from([seed[:size] for seed in SEEDS for size in (4, 16, 60)]),
            st.binary(max_size=200),
        ),
    )
)
@example(data=b"RIFF\x04\0\0\0WEBPVP8X")
@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_give_an_array_or_a_refusal(data: bytes) -> None:
    try:
        decoded = images.decode(data, spec(), LIMITS)
    except ServingError as refusal:
        assert refusal.slug in {"invalid_image", "unsupported_media_type"}  # noqa: PT017 - either outcome is right
    else:
        assert decoded.shape == (8, 8, 3)


@given(data=st.binary(max_size=300))
@settings(deadline=None, max_examples=60)
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises((InvalidImage, UnsupportedMediaType)):
        images.decode(data, spec(), LIMITS)


@given(
    image=hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]))
    )
)
@settings(deadline=None, max_examples=60)
def test_png_is_lossless(image: np.ndarray) -> None:
    height, width, channels = image.shape
    decoded = images.decode(
        images.encode(image, "image/png"), spec(height, width, channels), LIMITS
    )
    assert (decoded == image).all()


def test_png_is_read_alike_by_others() -> None:
    source = np.asarray(gradient(31, 17))
    with Image.open(io.BytesIO(images.encode(source, "image/png"))) as image:
        image.verify()
    with Image.open(io.BytesIO(images.encode(source, "image/png"))) as image:
        assert (np.asarray(image) == source).all()


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_formats_stay_close(media_type: str, channels: Literal[1, 3]) -> None:
    source = np.asarray(gradient(32, 32))[:, :, :channels]
    decoded = images.decode(images.encode(source, media_type), spec(32, 32, channels), LIMITS)
    assert np.abs(decoded.astype(int) - source).mean() < 4


@pytest.mark.parametrize("channels", [2, 4])
def test_of_a_jpeg_what_is_transparent_lies_over_white(channels: int) -> None:
    image = np.zeros((16, 16, channels), np.uint8)
    image[:8, :, -1] = 255
    written = images.encode(image, "image/jpeg")
    with Image.open(io.BytesIO(written)) as picture:
        assert picture.mode == ("L" if channels == 2 else "RGB")
        assert np.asarray(picture)[:8].max() < 4
        assert np.asarray(picture)[8:].min() > 251


def test_jpeg_keeps_full_colour_resolution() -> None:
    with Image.open(io.BytesIO(images.encode(np.asarray(gradient()), "image/jpeg"))) as image:
        assert [component[1:3] for component in image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]


def test_an_unknown_media_type_is_refused_with_the_list() -> None:
    with pytest.raises(NotAcceptable, match="image/png, image/jpeg, image/webp"):
        images.encode(np.zeros((2, 2, 3), np.uint8), "image/tiff")


@pytest.mark.parametrize(("media_type", "side"), [("image/webp", 16_383), ("image/jpeg", 65_500)])
def test_a_picture_too_large_for_its_format_is_refused(media_type: str, side: int) -> None:
    with pytest.raises(InvalidRequest, match=f"holds {side} a side"):
        images.encode(np.zeros((side + 1, 1, 3), np.uint8), media_type)
    written = images.encode(np.zeros((side, 1, 3), np.uint8), media_type)
    assert Image.open(io.BytesIO(written)).size == (1, side)


def test_a_contact_sheet_sets_images_in_rows() -> None:
    levels = np.arange(5, dtype=np.uint8) * 10
    cells = np.broadcast_to(levels[:, None, None, None], (5, 4, 6, 3))
    sheet = images.contact_sheet(cells)
    assert sheet.shape == (2 * 4 + 2, 3 * 6 + 2 * 2, 3)
    assert (sheet[:4, :6] == 0).all()
    assert (sheet[:4, 8:14] == 10).all()
    assert (sheet[6:, :6] == 30).all()
    assert (sheet[6:, 16:] == 255).all()


@pytest.mark.parametrize(
    ("columns", "shape"), [(1, (16, 6, 1)), (3, (4, 22, 1)), (99, (4, 22, 1)), (None, (10, 14, 1))]
)
def test_columns_choose_the_sheets_shape(columns: int | None, shape: tuple[int, int, int]) -> None:
    assert images.contact_sheet(np.zeros((3, 4, 6, 1), np.uint8), columns).shape == shape


def test_one_image_is_its_own_sheet() -> None:
    source = np.asarray(gradient())
    assert (images.contact_sheet(source[None]) == source).all()


def test_columns_below_one_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="columns is 0"):
        images.contact_sheet(np.zeros((3, 4, 6, 1), np.uint8), 0)


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 2), (9, 7, 3), (9, 7, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_of_other_sizes_are_fitted(shape: tuple[int, ...], channels: Literal[1, 3]) -> None:
    fitted = images.fit(np.full(shape, 255, np.uint8), spec(channels=channels))
    assert fitted.shape == (8, 8, channels)
    assert (fitted == 255).all()


def test_an_array_of_the_models_shape_passes_unchanged() -> None:
    source = np.asarray(gradient(8, 8))
    assert (images.fit(source, spec()) == source).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((8, 8, 5), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros(8, np.uint8),
        np.zeros((1, 8, 8, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_image_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ShapeMismatch, match=r"uint8 \[h, w, c\]"):
        images.fit(array, spec())


MODES = {
    "bits": (saved(gradient(17, 13).convert("1")), 1),
    "bits, one transparent": (saved(gradient(17, 13).convert("1"), transparency=0), 2),
    "grey": (saved(gradient(17, 13).convert("L")), 1),
    "grey, one transparent": (saved(gradient(17, 13).convert("L"), transparency=85), 2),
    "grey and alpha": (saved(gradient(17, 13).convert("LA")), 2),
    "16 bits": (saved(Image.fromarray(np.arange(221, dtype=np.uint16).reshape(13, 17) * 290)), 1),
    "palette": (saved(gradient(17, 13).quantize(20)), 3),
    "palette, one transparent": (saved(gradient(17, 13).quantize(20), transparency=3), 4),
    "colour": (saved(gradient(17, 13)), 3),
    "colour, one transparent": (saved(gradient(17, 13), transparency=(0, 255, 0)), 4),
    "colour and alpha": (saved(gradient(17, 13).convert("RGBA")), 4),
    "JPEG": (saved(gradient(17, 13), "JPEG"), 3),
    "grey JPEG": (saved(gradient(17, 13).convert("L"), "JPEG"), 1),
    "CMYK": (saved(gradient(17, 13).convert("CMYK"), "JPEG"), 3),
    "GIF": (saved(gradient(17, 13), "GIF"), 3),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("crop", ["centre", "pad"])
def test_a_picture_that_is_read_and_fitted_is_the_one_that_is_decoded(
    mode: str, channels: Literal[1, 3], crop: Crop
) -> None:
    data, own_channels = MODES[mode]
    picture = images.read(data, LIMITS)
    assert picture.shape == (13, 17, own_channels)
    assert picture.dtype == np.uint8
    image = spec(channels=channels, crop=crop)
    np.testing.assert_array_equal(images.fit(picture, image), images.decode(data, image, LIMITS))


def test_a_jpeg_with_a_small_fault_is_read() -> None:
    # Bytes that belong to nothing before the end, of which a strict reader complains.
    whole, _ = MODES["JPEG"]
    data = whole[:-2] + bytes(9) + whole[-2:]
    np.testing.assert_array_equal(images.read(data, LIMITS), images.read(whole, LIMITS))


def test_what_is_read_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = images.read(saved(gradient(12, 10), exif=exif), LIMITS)
    np.testing.assert_array_equal(picture, np.rot90(np.asarray(gradient(12, 10)), -1))


def test_an_image_is_measured_by_its_header() -> None:
    assert images.measure(png_of_size(700, 900), LIMITS) == 630_000
    with pytest.raises(InvalidImage, match="max_image_pixels"):
        images.measure(png_of_size(1001, 1000), LIMITS)
    with pytest.raises(UnsupportedMediaType):
        images.measure(b"hello", LIMITS)


def test_a_limit_below_one_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="max_image_pixels is 0"):
        images.ImageLimits(max_image_pixels=0)


def test_a_run_length_encoded_bmp_is_refused() -> None:
    pixels = (b"\x04\x00" + b"\x00\x00") * 4 + b"\x00\x01"
    info = struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    offset = 14 + len(info) + 1024
    head = b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset)
    with pytest.raises(InvalidImage, match="run-length encoded"):
        images.decode(head + info + b"\x00\x01\x02\x00" * 256 + pixels, spec(), LIMITS)


_WRITTEN = """
import hashlib
import numpy as np
from inference.images import encode

random = np.random.default_rng(0)
flat = random.integers(0, 256, (400, 16, 1, 1)).repeat(16, 2).repeat(3, 3).astype(np.uint8)
noise = random.integers(0, 256, (40, 16, 16, 3)).astype(np.uint8)
files = [encode(image, "image/png") for image in (*flat, *noise)]
print(hashlib.sha256(b"".join(files)).hexdigest())
"""


def test_every_process_writes_the_same_bytes() -> None:
    command = [sys.executable, "-c", _WRITTEN]
    found = [subprocess.run(command, capture_output=True, check=True).stdout for _ in range(6)]
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff" + bytes(1 << 20),
        b"\xff\xd8" + b"\xff" * (1 << 20),
        b"GIF89a" + bytes(1 << 20),
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00\x21\xfe" + b"\x01a" * (1 << 19),
    ],
    ids=["zeros in a JPEG", "padding in a JPEG", "zeros in a GIF", "a GIF of tiny comments"],
)
def test_junk_between_segments_is_not_passed_byte_by_byte(data: bytes) -> None:
    for reading in (images.measure, images.read):
        with pytest.raises(InvalidImage, match="131072 stray bytes or tiny blocks"):
            reading(data, LIMITS)


def test_a_picture_in_many_small_chunks_is_read() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    packed = zlib.compress(b"".join(b"\0" + line.tobytes() for line in pixels))
    header = struct.pack(">IIBBBBB", 256, 256, 8, 2, 0, 0, 0)
    parts = (packed[start : start + 16] for start in range(0, len(packed), 16))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            png_chunk(b"IHDR", header),
            *(png_chunk(b"IDAT", part) for part in parts),
            png_chunk(b"IEND", b""),
        )
    )
    assert np.array_equal(images.read(data, LIMITS), pixels)

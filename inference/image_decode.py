"""Images in: bytes of unknown origin become exactly the array that the encoder takes.

    bytes → format by its first bytes → size from the header, checked → pixels → upright
          → grey or RGB, over white → crop and resize by `bundle.geometry` → uint8 [H, W, C]

`measure` stops at the size; `read` stops at the upright picture, in its own size and channels.
Knows no HTTP; believes no media type that a client states.

1. No pixel is decoded before the header's size has passed the limits.
2. Whatever the bytes are, the outcome is an array of the model's shape or a `ServingError`.
3. Only five formats are read, each by its own decoder; nothing else in Pillow is reachable.
4. Pixels that `plain_images` reads are those of Pillow, to the bit; all else is Pillow's.
"""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from bundle.geometry import placement
from inference.errors import InvalidImage, ShapeMismatch, UnsupportedMediaType
from inference.jpeg_segments import check_scans
from inference.orientation import orientation
from inference.plain_images import plain_pixels, plain_shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

    from bundle.manifest import ImageSpec

INPUT_MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp")
"""What `decode` reads; of an animation, its first frame."""

MAX_SIDE = 65_535
"""Pixels of a side: the most that JPEG can hold. Beyond it a resize needs memory out of all
proportion to the number of pixels."""

MAX_TINY_READS = 1 << 17
"""Of `_TINY_BYTES` at most; sixteen million pixels in PNG chunks of 1 KiB keep to it."""
_TINY_BYTES = 8

_DECODERS: tuple[tuple[bytes, type[ImageFile]], ...] = (
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"\xff\xd8\xff", JpegImageFile),
    (b"RIFF", WebPImageFile),
    (b"GIF8", GifImageFile),
    (b"BM", BmpImageFile),
)
_FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# `ImageLimits` is the limit here, and it refuses; Pillow's own warning would only add noise.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class ImageLimits:
    """What an image may cost before it is decoded.

    Attributes:
        max_image_pixels: Width × height of a source image at most.
    """

    max_image_pixels: int

    def __post_init__(self) -> None:
        """Refuse a limit that no image could keep to."""
        if self.max_image_pixels < 1:
            raise ValueError(f"max_image_pixels is {self.max_image_pixels}; it must be at least 1")


def decode(data: bytes, spec: ImageSpec, limits: ImageLimits) -> NDArray[np.uint8]:
    """Decode one image and lay it on the model's size.

    Args:
        data: A whole PNG, JPEG, WebP, GIF or BMP file of any size and mode.
        spec: The model's size, channels, crop rule and resize filter.
        limits: Checked against the header, before any pixel is decoded.

    Returns:
        uint8 [H, W, C], upright by its EXIF orientation, transparent parts over white.

    Raises:
        UnsupportedMediaType: The bytes begin like none of the five formats.
        InvalidImage: Empty, damaged, cut short, or larger than the limits.
    """
    plain = _plain(data, limits)
    if plain is not None:
        return fit(plain, spec)
    with _opened(data) as image:
        _check_size(image.size, limits)
        _check_work(image, data)
        image.load()
        return _place(_over_white(_upright(image), spec.channels), spec)


def read(data: bytes, limits: ImageLimits) -> NDArray[np.uint8]:
    """Decode one image as it is, but upright and with 8 bits a channel.

    `fit` makes of it what `decode` makes of ``data``, to the bit.

    Args:
        data: As in `decode`.
        limits: As in `decode`.

    Returns:
        uint8 [h, w, c]; c is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).

    Raises:
        UnsupportedMediaType: As in `decode`.
        InvalidImage: As in `decode`.
    """
    plain = _plain(data, limits)
    if plain is not None:
        return plain
    with _opened(data) as image:
        _check_size(image.size, limits)
        _check_work(image, data)
        image.load()
        pixels = np.asarray(_in_own_channels(_upright(image)))
        return pixels if pixels.ndim == 3 else pixels[:, :, None]  # noqa: PLR2004 - [h, w, c]


def measure(data: bytes, limits: ImageLimits) -> int:
    """Pixels, width × height, of an image by its header, which has passed the limits.

    Raises:
        UnsupportedMediaType: As in `decode`.
        InvalidImage: As in `decode`, as far as the header tells.
    """
    with _opened(data) as image:
        _check_size(image.size, limits)
        return image.width * image.height


def fit(array: NDArray[Any], spec: ImageSpec) -> NDArray[np.uint8]:
    """Lay an image that is an array already on the model's size.

    Args:
        array: uint8 [h, w, c] or [h, w]; c is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).
        spec: As in `decode`.

    Returns:
        uint8 [H, W, C]; the same values if the array has that shape already.

    Raises:
        ShapeMismatch: Another shape or datatype.
        InvalidImage: A side is longer than 65,535 pixels.
    """
    grey_or_colour = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in range(1, 5))  # noqa: PLR2004 - [h, w] or [h, w, c]
    if array.dtype != np.uint8 or not grey_or_colour or 0 in array.shape:
        raise ShapeMismatch(
            f"an image array is {array.dtype.name} {list(array.shape)}, but must be uint8 "
            "[h, w, c] with 1 to 4 channels: grey or RGB, with alpha or without",
            details={"expected": list(spec.shape), "got": list(array.shape)},
        )
    if array.shape == spec.shape:
        return np.ascontiguousarray(array)
    _check_sides(array.shape[1], array.shape[0])
    flat = array[:, :, 0] if array.shape[2:] == (1,) else array
    image = Image.fromarray(np.ascontiguousarray(flat))
    return _place(_over_white(image, spec.channels), spec)


def _plain(data: bytes, limits: ImageLimits) -> NDArray[np.uint8] | None:
    """The pixels [h, w, c] of most small images; None of whatever needs a closer look."""
    shape = plain_shape(data)
    if shape is None:
        return None
    height, width, _ = shape
    _check_size((width, height), limits)
    return plain_pixels(data, shape)


@contextmanager
def _opened(data: bytes) -> Iterator[ImageFile]:
    """The image with its header read; whatever goes wrong in the context becomes a refusal."""
    if not data:
        raise InvalidImage("the image is empty: 0 bytes; send the file's content")
    decoder = _decoder(data)
    try:
        # A shorter file has not the bytes for so many reads.
        yield decoder(_Source(data) if len(data) > MAX_TINY_READS else io.BytesIO(data))
    except (MemoryError, InvalidImage):
        raise
    # Pillow's decoders answer damaged bytes with whatever exception they stumble into (OSError,
    # SyntaxError, struct.error, IndexError, zlib.error, …); all of them mean the same here.
    except Exception as error:
        raise InvalidImage(
            f"the {decoder.format} image of {len(data)} bytes is damaged or cut short "
            f"({_first_line(error)}); send the whole file"
        ) from error


class _Source(io.BytesIO):
    """The file's bytes, for as many tiny reads as an image can need.

    Pillow passes junk between the segments of a JPEG or a GIF byte by byte, in Python: seconds, and
    the interpreter with them, for a file of some megabytes.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._tiny_reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and 0 <= size <= _TINY_BYTES:
            self._tiny_reads += 1
            if self._tiny_reads > MAX_TINY_READS:
                raise InvalidImage(
                    f"the image has more than {MAX_TINY_READS} stray bytes or tiny blocks; save it "
                    "anew"
                )
        return super().read(size)


def _decoder(data: bytes) -> type[ImageFile]:
    for magic, decoder in _DECODERS:
        if data.startswith(magic) and (magic != b"RIFF" or data[8:12] == b"WEBP"):
            return decoder
    raise UnsupportedMediaType(
        f"the bytes begin with {data[:12]!r}, which is no image format that is read here; send "
        "PNG, JPEG, WebP, GIF or BMP",
        details={"accepted": list(INPUT_MEDIA_TYPES)},
    )


def _check_size(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise InvalidImage(f"the image is {width} × {height} pixels: there is nothing in it")
    _check_sides(width, height)
    if width * height > limits.max_image_pixels:
        raise InvalidImage(
            f"the image has {width * height / 1e6:.3g} megapixels ({width} × {height}), the limit "
            f"is {limits.max_image_pixels / 1e6:.3g}; shrink it, or ask the operator to raise "
            "`max_image_pixels`",
            details={"width": width, "height": height, "limit": limits.max_image_pixels},
        )


def _check_work(image: ImageFile, data: bytes) -> None:
    """Refuse what a decoder would be at for longer than its size tells."""
    if isinstance(image, JpegImageFile):
        check_scans(data)
    # Pillow reads these runs in Python: seconds for what a JPEG takes milliseconds.
    if any(tile[0] == "bmp_rle" for tile in image.tile):
        raise InvalidImage(
            "the BMP image is run-length encoded, which is not read here; save it as PNG or as "
            "plain BMP"
        )


def _check_sides(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise InvalidImage(
            f"the image is {width} × {height} pixels, a side may have {MAX_SIDE}; cut it in parts"
        )


def _upright(image: Image.Image) -> Image.Image:
    turn = _TURNS.get(orientation(image.info.get("exif")))
    return image if turn is None else image.transpose(turn)


def _over_white(image: Image.Image, channels: int) -> Image.Image:
    mode = "L" if channels == 1 else "RGB"
    if image.mode.startswith("I;16"):
        return _high_byte(image).convert(mode)
    if image.has_transparency_data:
        see_through = image.convert("RGBA")
        image = Image.new("RGB", image.size, (255, 255, 255))
        image.paste(see_through, mask=see_through.getchannel("A"))
    # Pillow's own `convert` would copy.
    return image if image.mode == mode else image.convert(mode)


def _in_own_channels(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _high_byte(image)
    grey = image.mode in {"1", "L", "LA", "La"}
    if image.has_transparency_data:
        return image.convert("LA" if grey else "RGBA")
    return image.convert("L" if grey else "RGB")


def _high_byte(image: Image.Image) -> Image.Image:
    # Pillow would clip at 255; the high byte is what it keeps of 16-bit colour, too.
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _place(image: Image.Image, spec: ImageSpec) -> NDArray[np.uint8]:
    if image.size == (spec.width, spec.height):
        return np.array(image).reshape(spec.shape)
    where = placement(image.width, image.height, spec)
    resized = image.resize(where.size, _FILTERS[spec.resize], box=where.box)
    canvas = np.zeros(spec.shape, np.uint8)
    left, top = where.offset
    width, height = where.size
    canvas[top : top + height, left : left + width] = np.asarray(resized).reshape(
        height, width, spec.channels
    )
    return canvas


def _first_line(error: Exception) -> str:
    text = str(error).splitlines()
    return text[0][:120] if text else type(error).__name__

"""Any picture → the model's size and channels: the same steps that serving takes.

    file → upright, first frame, alpha over white, grey or colour → box resized → uint8 [H, W, C]

Knows no folder and no label. `bundle.geometry` has the numbers of the crop rules. A test holds
this against the engine's own conversion, so that a model is served what it was trained on.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from bundle.geometry import placement

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bundle.manifest import ImageSpec

MAX_PIXELS = 64_000_000
"""A larger image is not decoded: it would take gigabytes, and may be a bomb."""

_FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_DEEP_GREY = ("I;16", "I;16L", "I;16B", "I")
_GREY_CHANNELS = 2


def fit_picture(picture: Path | bytes | NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.uint8]:
    """An image file, the bytes of one, or its pixels → uint8 [H, W, C] of ``spec``.

    Raises:
        OSError, ValueError: As `read_image` says.
    """
    return (
        fit_array(picture, spec) if isinstance(picture, np.ndarray) else read_image(picture, spec)
    )


def read_image(source: Path | bytes, spec: ImageSpec) -> NDArray[np.uint8]:
    """Decode an image file, given by its path or its bytes.

    Returns:
        uint8 [H, W, C] of ``spec``.

    Raises:
        OSError: The file cannot be read, or is no image, or is cut short.
        ValueError: Its header does not hold together, or it has more than `MAX_PIXELS`.
    """
    with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(
                f"{width} × {height} is {width * height / 1e6:.1f} megapixels, "
                f"the limit is {MAX_PIXELS / 1e6:.0f}; shrink it"
            )
        image.seek(0)
        return fit_image(ImageOps.exif_transpose(image), spec)


def fit_array(array: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.uint8]:
    """Lay uint8 [h, w], [h, w, 1] or [h, w, 3] onto the model's size: uint8 [H, W, C]."""
    if array.shape == spec.shape:
        return array
    grey = array.ndim == _GREY_CHANNELS or array.shape[2] == 1
    return fit_image(Image.fromarray(array.reshape(array.shape[:2]) if grey else array), spec)


def fit_image(image: Image.Image, spec: ImageSpec) -> NDArray[np.uint8]:
    """Lay an upright image of any mode onto the model's size: uint8 [H, W, C]."""
    mode = "L" if spec.channels == 1 else "RGB"
    plain = _opaque(image).convert(mode)
    place = placement(*plain.size, spec)
    resized = plain.resize(place.size, _FILTERS[spec.resize], box=place.box)
    if place.size != (spec.width, spec.height):
        canvas = Image.new(mode, (spec.width, spec.height))
        canvas.paste(resized, place.offset)
        resized = canvas
    return np.asarray(resized, np.uint8).reshape(spec.shape)


def _opaque(image: Image.Image) -> Image.Image:
    """Alpha over white, sixteen bits of grey to eight; other modes as they are."""
    if image.mode in _DEEP_GREY:
        deep = np.asarray(image)
        return Image.fromarray((np.clip(deep, 0, 65535) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        see_through = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(see_through, mask=see_through.getchannel("A"))
        return white
    return image

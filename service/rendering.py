"""Results as bytes, per media type: JSON, one picture, a contact sheet, an array, an archive.

images uint8 [H, W, C] each, latents [N, L] | None → Reply body;  mean, logvar [N, L] → Reply body

Pure functions; the caller runs them off the event loop. Knows no request.
"""

from __future__ import annotations

import binascii
import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from inference import arrays, images
from inference.errors import NotAcceptable
from service.inputs import NPY
from service.wire import JSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

PNG = "image/png"
ZIP = "application/zip"
IMAGE_OFFERS = (PNG, "image/jpeg", "image/webp", JSON, NPY, ZIP)
"""What a route that gives images can answer, the default first."""
VECTOR_OFFERS = (JSON, NPY)
"""What a route that gives vectors can answer, the default first."""
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


_LIGHT = frozenset({PNG, JSON, NPY})
_LIGHT_COUNT = 8


def is_light(media_type: str, count: int) -> bool:
    """Whether a body of ``count`` images or vectors is written in a few milliseconds."""
    return media_type in _LIGHT and count <= _LIGHT_COUNT


def json_bytes(document: object) -> bytes:
    """JSON, with arrays as nested lists of the shortest numbers that read back equal."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def render_images(
    pixels: Sequence[Pixels] | Pixels,
    media_type: str,
    columns: int | None,
    facts: Mapping[str, Any],
) -> bytes:
    """Images as one body.

    Args:
        pixels: uint8 [H, W, C] each, at least one; C is 1 (grey) or 3 (RGB), or one more with
            alpha.
        media_type: One of `IMAGE_OFFERS`.
        columns: Columns of the contact sheet; None chooses.
        facts: Further fields of the JSON form (latents, seed).

    Raises:
        NotAcceptable: Images of several sizes were to become one array or one sheet.
    """
    if media_type == JSON:
        texts = [
            binascii.b2a_base64(images.encode(image, PNG), newline=False).decode()
            for image in pixels
        ]
        return json_bytes({"images": texts, **facts})
    if media_type == ZIP:
        return _archive(pixels)
    if media_type == NPY:
        return arrays.write_npy(_stacked(pixels, media_type))
    sheet = (
        pixels[0]
        if len(pixels) == 1
        else images.contact_sheet(_stacked(pixels, media_type), columns)
    )
    return images.encode(sheet, media_type)


def render_vectors(
    mean: NDArray[np.float32], logvar: NDArray[np.float32] | None, media_type: str
) -> bytes:
    """An encoding float32 [N, L] as one body; the array form holds the mean alone.

    A plain autoencoder has no ``logvar``, and then the JSON form has no such field.
    """
    if media_type == NPY:
        return arrays.write_npy(mean)
    return json_bytes({"mean": mean} if logvar is None else {"mean": mean, "logvar": logvar})


def _stacked(pixels: Sequence[Pixels] | Pixels, media_type: str) -> Pixels:
    if isinstance(pixels, np.ndarray):
        return pixels
    shapes = sorted({image.shape for image in pixels})
    if len(shapes) > 1:
        raise NotAcceptable(
            f"the pictures have {len(shapes)} sizes or numbers of channels (such as "
            f"{list(shapes[0])} and {list(shapes[-1])}), which one {media_type} cannot hold; "
            f"ask for {ZIP} or {JSON}, or send them one by one",
            details={"offers": [ZIP, JSON]},
        )
    return np.stack(pixels)


def _archive(pixels: Iterable[Pixels]) -> bytes:
    buffer = io.BytesIO()
    # PNG is compressed already; a fixed date keeps equal images equal bytes.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for index, image in enumerate(pixels):
            entry = zipfile.ZipInfo(f"image-{index:04d}.png", _ZIP_TIME)
            archive.writestr(entry, images.encode(image, PNG))
    return buffer.getvalue()

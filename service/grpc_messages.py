"""The messages of `latentserve.v1` as arrays and back.

Images (files | pixels) → list of bytes | uint8 [N, h, w, C];  Matrix → float32 [N, L]
uint8 [N, H, W, C], float32 [N, L] → Images in the format asked for, Matrix

Pure functions. Knows no engine; the caller decodes files, and renders off the event loop.

1. A shape is compared with the bytes that came before anything is made of its size.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from inference import images
from inference.errors import InvalidImage, InvalidRequest, ShapeMismatch, TooManyItems
from service import rendering
from service.proto.latentserve.v1 import latents_pb2 as pb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Float32 = NDArray[np.float32]

_MEDIA_TYPES: dict[int, str] = {
    pb.IMAGE_FORMAT_UNSPECIFIED: "image/png",
    pb.IMAGE_FORMAT_PNG: "image/png",
    pb.IMAGE_FORMAT_JPEG: "image/jpeg",
    pb.IMAGE_FORMAT_WEBP: "image/webp",
}
_FLOAT_BYTES = 4
_STACKED_AXES = 4


def read_images(given: pb.Images, max_items: int) -> list[bytes] | Pixels:
    """Compressed images, or grey levels uint8 [N, h, w, C].

    Raises:
        InvalidRequest: There are none, both forms are used, or bytes and shape do not agree.
        InvalidImage: A file is empty.
        ShapeMismatch: The shape has neither 3 nor 4 axes.
        TooManyItems: More than ``max_items``.
    """
    if bool(given.files) == given.HasField("pixels"):
        found = "both" if given.files else "neither"
        raise InvalidRequest(f"images have files or pixels, and these have {found}; send one")
    if given.HasField("pixels"):
        return _read_pixels(given.pixels, max_items)
    _check_count(len(given.files), max_items)
    for index, file in enumerate(given.files):
        if not file:
            raise InvalidImage(f"image {index}: the image is empty: 0 bytes; send the whole file")
    return list(given.files)


def read_matrix(given: pb.Matrix, max_items: int) -> Float32:
    """Rows float32 [N, L], not checked against the model yet.

    Raises:
        InvalidRequest: There are none, both forms are used, or numbers and size do not agree.
        TooManyItems: More than ``max_items`` rows.
    """
    rows, columns = given.rows, given.columns
    _check_count(rows, max_items)
    if given.data and given.values:
        raise InvalidRequest("latents have data or values, and these have both; send one")
    found = len(given.values) if given.values else len(given.data) / _FLOAT_BYTES
    if found != rows * columns:
        raise InvalidRequest(
            f"latents hold {found:g} float32 numbers, but {rows} rows of {columns} are "
            f"{rows * columns}; send exactly those"
        )
    if given.values:
        flat = np.fromiter(given.values, np.float32, len(given.values))
    else:
        flat = np.frombuffer(given.data, "<f4").astype(np.float32, copy=False)
    return np.require(flat, requirements=["ALIGNED"]).reshape(rows, columns)


def write_matrix(rows: Float32) -> pb.Matrix:
    """float32 [N, L] as a message."""
    data = rows.astype("<f4", copy=False).tobytes()
    return pb.Matrix(rows=rows.shape[0], columns=rows.shape[1], data=data)


def check_format(asked: int) -> None:
    """Refuse a number that stands for no format.

    Raises:
        InvalidRequest: It is another client's, of a later version perhaps.
    """
    if asked != pb.IMAGE_FORMAT_PIXELS and asked not in _MEDIA_TYPES:
        raise InvalidRequest(
            f"format is {asked}, but this server knows {', '.join(pb.ImageFormat.keys())}"
        )


def write_images(pixels: Pixels, asked: int) -> pb.Images:
    """uint8 [N, H, W, C] as files, or as the array; ``asked`` is an `ImageFormat`."""
    if asked == pb.IMAGE_FORMAT_PIXELS:
        return pb.Images(pixels=pb.Pixels(shape=pixels.shape, data=pixels.tobytes()))
    media_type = _MEDIA_TYPES[asked]
    return pb.Images(files=[images.encode(image, media_type) for image in pixels])


def is_light(asked: int, count: int) -> bool:
    """Whether ``count`` images are written in the format ``asked`` in a few milliseconds."""
    return asked == pb.IMAGE_FORMAT_PIXELS or rendering.is_light(_MEDIA_TYPES[asked], count)


def _read_pixels(given: pb.Pixels, max_items: int) -> Pixels:
    shape = tuple(given.shape)
    if len(shape) not in {_STACKED_AXES - 1, _STACKED_AXES}:
        raise ShapeMismatch(
            f"pixels have {len(shape)} axes; send [N, h, w, c], or [h, w, c] for one image"
        )
    if min(shape) < 1:
        raise InvalidRequest(f"pixels have the shape {list(shape)}; every axis must be at least 1")
    stacked = shape if len(shape) == _STACKED_AXES else (1, *shape)
    _check_count(stacked[0], max_items)
    if len(given.data) != prod(stacked):
        raise InvalidRequest(
            f"pixels have {len(given.data)} bytes, but uint8 {list(shape)} is {prod(stacked)}; "
            "send exactly those, row-major"
        )
    return np.frombuffer(given.data, np.uint8).reshape(stacked)


def _check_count(count: int, max_items: int) -> None:
    if count > max_items:
        raise TooManyItems(
            f"the request has {count} items, the limit is {max_items}; send them in several "
            "requests, or ask the operator to raise `max_items`",
            details={"limit": max_items},
        )

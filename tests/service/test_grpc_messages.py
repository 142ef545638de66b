"""Messages to arrays and back; sizes that do not agree are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference.errors import (
    InvalidImage,
    InvalidRequest,
    ServingError,
    ShapeMismatch,
    TooManyItems,
)
from service.grpc_messages import (
    check_format,
    read_images,
    read_matrix,
    write_images,
    write_matrix,
)
from service.proto.latentserve.v1 import latents_pb2 as pb

ROWS = np.array([[0.5, -1, 2], [3, 4, 5]], np.float32)


def pixels(shape: list[int], size: int) -> pb.Images:
    return pb.Images(pixels=pb.Pixels(shape=shape, data=bytes(size)))


def test_a_matrix_comes_back() -> None:
    message = write_matrix(ROWS)
    assert np.array_equal(read_matrix(message, 2), ROWS)
    written_out = pb.Matrix(rows=2, columns=3, values=ROWS.ravel().tolist())
    assert np.array_equal(read_matrix(written_out, 2), ROWS)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (pb.Matrix(rows=1, columns=2, data=bytes(7)), InvalidRequest),
        (pb.Matrix(rows=1, columns=2, data=bytes(12)), InvalidRequest),
        (pb.Matrix(rows=1, columns=2, values=[1]), InvalidRequest),
        (pb.Matrix(rows=1, columns=1, data=bytes(4), values=[1]), InvalidRequest),
        (pb.Matrix(rows=3, columns=1, values=[1, 2, 3]), TooManyItems),
        (pb.Matrix(rows=2**32 - 1, columns=2**32 - 1), TooManyItems),
        (pb.Matrix(rows=1, columns=2**32 - 1), InvalidRequest),
    ],
)
def test_a_matrix_that_does_not_agree(message: pb.Matrix, error: type[ServingError]) -> None:
    with pytest.raises(error):
        read_matrix(message, 2)


def test_images_in_both_forms() -> None:
    assert read_images(pb.Images(files=[b"a", b"b"]), 2) == [b"a", b"b"]
    array: Any = read_images(pixels([2, 1, 4, 3], 24), 2)
    assert array.shape == (2, 1, 4, 3)
    one: Any = read_images(pixels([1, 4, 1], 4), 2)
    assert one.shape == (1, 1, 4, 1)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (pb.Images(), InvalidRequest),
        (pb.Images(files=[b"a"], pixels=pb.Pixels()), InvalidRequest),
        (pb.Images(files=[b""]), InvalidImage),
        (pb.Images(files=[b"a"] * 3), TooManyItems),
        (pixels([], 0), ShapeMismatch),
        (pixels([4, 4], 16), ShapeMismatch),
        (pixels([1, 1, 1, 1, 1], 1), ShapeMismatch),
        (pixels([0, 4, 4, 3], 0), InvalidRequest),
        (pixels([1, -4, -4, 3], 48), InvalidRequest),
        (pixels([3, 1, 1, 1], 3), TooManyItems),
        (pixels([1, 2**62, 2**62, 3], 9), InvalidRequest),
        (pixels([4, 4, 3], 47), InvalidRequest),
    ],
)
def test_images_that_do_not_agree(message: pb.Images, error: type[ServingError]) -> None:
    with pytest.raises(error):
        read_images(message, 2)


def test_images_out() -> None:
    images = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)
    raw = write_images(images, pb.IMAGE_FORMAT_PIXELS)
    assert np.array_equal(np.asarray(read_images(raw, 2)), images)
    starts = {
        pb.IMAGE_FORMAT_UNSPECIFIED: b"\x89PNG",
        pb.IMAGE_FORMAT_PNG: b"\x89PNG",
        pb.IMAGE_FORMAT_JPEG: b"\xff\xd8",
        pb.IMAGE_FORMAT_WEBP: b"RIFF",
    }
    for asked, start in starts.items():
        check_format(asked)
        files = write_images(images, asked).files
        assert [file.startswith(start) for file in files] == [True, True]


def test_a_format_of_a_later_client() -> None:
    with pytest.raises(InvalidRequest, match=r"format is 9.*IMAGE_FORMAT_PIXELS"):
        check_format(9)

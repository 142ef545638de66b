from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from training.report.pictures import GAP, in_rows, laid_out, sheet


def _images(count: int, side: int, channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side, channels), np.uint8)


def _pixels(src: str) -> np.ndarray:
    head, _, body = src.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))))


@pytest.mark.parametrize(("side", "factor"), [(16, 8), (28, 4), (32, 4), (48, 2), (64, 2)])
def test_small_images_are_enlarged_by_a_whole_factor(side: int, factor: int) -> None:
    images = _images(3, side)
    found = sheet([images], "three")
    height, width = _pixels(found.src).shape[:2]
    assert (found.width, found.height) == (width * factor, height * factor)
    assert found.scale == factor
    # The browser enlarges; the pixels in the file are the model's own.
    np.testing.assert_array_equal(_pixels(found.src)[:side, :side, 0], images[0, ..., 0])


def test_gaps_are_clear_and_short_rows_end_early() -> None:
    first, second = _images(3, 4, 3), _images(1, 4, 3)
    pixels = laid_out([first, second], 2)
    assert pixels.shape == (10, 16, 4)
    np.testing.assert_array_equal(pixels[:4, 6:10, :3], first[1])
    np.testing.assert_array_equal(pixels[6:, :4, :3], second[0])
    opaque = pixels[..., 3] == 255
    assert opaque.sum() == 4 * 16
    assert not pixels[4:6].any()
    assert not pixels[6:, 4:].any()


def test_large_images_are_shrunk_to_the_mean_of_boxes() -> None:
    images = np.zeros((1, 256, 256, 3), np.uint8)
    images[:, ::2] = 200
    found = sheet([images], "one")
    assert found.scale == 0.5
    assert (found.width, found.height) == (128, 128)
    assert set(np.unique(_pixels(found.src)[..., :3])) == {100}


def test_the_gap_is_at_least_one_pixel_unless_there_is_none() -> None:
    images = _images(2, 16)
    assert sheet([images], "two").width == (16 + 1 + 16) * 8
    assert sheet([_images(2, 64)], "two").width == (64 + GAP // 2 + 64) * 2
    assert sheet([images], "two", gap=0).width == 2 * 16 * 8


def test_rows_of_a_grid() -> None:
    rows = in_rows(_images(7, 2), 3)
    assert [len(row) for row in rows] == [3, 3, 1]

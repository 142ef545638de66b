"""Figures of reconstructions, on images that can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.evaluation.reconstruction import (
    compare,
    cross_entropy,
    decibels,
    edge_energy,
    squared_error,
    summarise,
)

SHAPE = (16, 16)


def checkered(count: int) -> np.ndarray:
    """uint8 [N, 16, 16, 1]: levels 0 and 255 in turn."""
    board = 255 * ((np.arange(16)[:, None] + np.arange(16)) % 2)
    return np.broadcast_to(board.astype(np.uint8)[None, :, :, None], (count, 16, 16, 1)).copy()


def test_psnr_is_averaged_over_images() -> None:
    images = np.full((2, 16, 16, 1), 0, np.uint8)
    rebuilt = np.stack([np.full((16, 16, 1), 0.1), np.full((16, 16, 1), 0.01)])
    found = summarise(
        [compare(images, rebuilt.astype(np.float32), SHAPE)], values=256, draws=50, seed=0
    )
    assert found.psnr.value == pytest.approx((20 + 40) / 2, abs=1e-4)
    assert found.mse.value == pytest.approx((0.01 + 0.0001) / 2)
    assert (found.psnr.low, found.psnr.high) == pytest.approx((20, 40), abs=1e-4)
    assert found.images == 2
    assert found.judged_psnr is None


def test_parts_are_one_set() -> None:
    images = checkered(5)
    rebuilt = np.random.default_rng(0).random(images.shape).astype(np.float32)
    whole = summarise([compare(images, rebuilt, SHAPE)], values=256, draws=20, seed=0)
    parts = [compare(images[i : i + 2], rebuilt[i : i + 2], SHAPE) for i in (0, 2, 4)]
    assert summarise(parts, values=256, draws=20, seed=0) == whole


def test_equal_images_are_at_the_limit_of_grey_levels() -> None:
    images = checkered(3)
    found = summarise(
        [compare(images, (images / 255).astype(np.float32), SHAPE)], values=256, draws=10, seed=0
    )
    assert found.psnr.value == pytest.approx(60.0)
    assert found.ssim is not None
    assert found.ssim.value == pytest.approx(1.0)
    assert found.sharpness.value == pytest.approx(1.0)


def test_half_the_contrast_is_a_quarter_of_the_edge_energy() -> None:
    images = checkered(3)
    faded = (0.25 + 0.5 * images / 255).astype(np.float32)
    found = summarise([compare(images, faded, SHAPE)], values=256, draws=10, seed=0)
    assert found.sharpness.value == pytest.approx(0.25)


def test_edge_energy_by_hand() -> None:
    # One bright pixel in the middle of 3 × 3 inner pixels: 4 there, -1 at its four neighbours.
    image = np.zeros((1, 5, 5, 1), np.float32)
    image[0, 2, 2] = 1.0
    assert edge_energy(image)[0] == pytest.approx((16 + 4) / 9)
    assert edge_energy(image + 0.3)[0] == pytest.approx((16 + 4) / 9, rel=1e-5)


def test_cross_entropy_by_hand() -> None:
    unit = np.array([0.0, 1.0, 0.5], np.float32).reshape(1, 1, 3, 1)
    rebuilt = np.array([0.25, 0.5, 0.5], np.float32).reshape(1, 1, 3, 1)
    assert cross_entropy(unit, rebuilt)[0] == pytest.approx(
        -math.log(0.75) - math.log(0.5) - math.log(0.5), rel=1e-6
    )
    certain = np.array([1.0, 1.0, 0.5], np.float32).reshape(1, 1, 3, 1)
    assert cross_entropy(unit, certain)[0] == pytest.approx(
        -math.log(1e-7) - math.log(0.5), rel=0.02
    )


def test_errors_at_another_size_are_of_shrunk_images() -> None:
    images = checkered(2)
    # Shrunk by 2, a checkered board is plain grey: what was wrong in detail is right again.
    found = summarise(
        [compare(images, np.full(images.shape, 0.5, np.float32), (8, 8))],
        values=256,
        draws=10,
        seed=0,
    )
    assert found.psnr.value == pytest.approx(6.02, abs=0.01)
    assert found.judged_psnr is not None
    assert found.judged_psnr.value == pytest.approx(60.0)


def test_images_smaller_than_the_window_have_no_ssim() -> None:
    images = checkered(2)[:, :10, :10]
    found = summarise(
        [compare(images, (images / 255).astype(np.float32), (10, 10))],
        values=100,
        draws=10,
        seed=0,
    )
    assert found.ssim is None


def test_decibels_of_squared_errors() -> None:
    assert decibels(np.array([1.0, 0.01, 0.0])) == pytest.approx([0.0, 20.0, 60.0])
    ones = np.ones((2, 2, 2, 3), np.float32)
    assert squared_error(ones, np.zeros_like(ones)) == pytest.approx([1.0, 1.0])

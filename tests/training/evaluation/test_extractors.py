"""What reads features: shrinking, blurring, and the network of chance."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.extractors import (
    RANDOM_FEATURES,
    blurred,
    random_extractor,
    shrunk,
)


def noise(count: int, side: int = 16, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), np.uint8)


def test_shrinking_takes_the_mean_of_each_box() -> None:
    images = noise(2, 8)
    boxes = images.reshape(2, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    assert np.abs(shrunk(images, (4, 4)) - boxes).max() <= 0.5 + 1e-3
    assert shrunk(images, (8, 8)) is images


def test_blur_keeps_the_mean_and_takes_the_detail() -> None:
    images = np.zeros((1, 33, 33, 1), np.uint8)
    images[0, 16, 16] = 255
    soft = blurred(images, 2.0)
    # The peak of a two-dimensional Gaussian: 1 / (2 π σ²).
    assert soft[0, 16, 16, 0] == pytest.approx(255 / (2 * np.pi * 4), abs=1)
    assert soft[0, 16, 18, 0] == pytest.approx(255 / (2 * np.pi * 4) * np.exp(-0.5), abs=1)
    flat = np.full((1, 9, 9, 3), 77, np.uint8)
    assert (blurred(flat, 1.0) == 77).all()


def test_the_network_of_chance_is_the_same_each_time() -> None:
    images = noise(5)
    first, again = (random_extractor(3, (16, 16)).read(images) for _ in range(2))
    assert first.shape == (5, RANDOM_FEATURES)
    assert (first == again).all()
    assert random_extractor(3, (16, 16)).read(images[:0]).shape == (0, RANDOM_FEATURES)
    assert random_extractor(1, (16, 16)).read(noise(2, channels=1)).shape == (2, RANDOM_FEATURES)


def test_the_network_of_chance_sees_where_things_are() -> None:
    images = np.zeros((2, 16, 16, 1), np.uint8)
    images[0, 2:6, 2:6], images[1, 10:14, 10:14] = 255, 255
    left, right = random_extractor(1, (16, 16)).read(images)
    assert np.linalg.norm(left - right) > 0.1 * np.linalg.norm(left)

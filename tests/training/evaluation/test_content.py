from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.content import beside, content, retrieved, telling_nothing

RNG = np.random.default_rng(0)
EVEN = np.full((1, 60), 1 / 60)


def test_what_reads_the_attribute_is_projected_out() -> None:
    features = RNG.normal(size=(60, 8)).astype(np.float32)
    weights = RNG.normal(size=(2, 8))
    rest = beside(features, weights)
    np.testing.assert_allclose(rest @ weights.T, 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rest, axis=1), 1)
    moved = (features + 3 * weights[0] - weights[1]).astype(np.float32)
    np.testing.assert_allclose(beside(moved, weights), rest, atol=1e-4)


def test_content_is_one_for_the_same_images_and_nothing_for_random_others() -> None:
    images = beside(RNG.normal(size=(60, 32)).astype(np.float32) + 1, np.eye(1, 32))
    assert content(images, images, EVEN)[0] == pytest.approx(1.0)
    assert content(images, np.roll(images, 1, axis=0), EVEN)[0] == pytest.approx(0.0)
    half = beside((images + np.roll(images, 7, axis=0)).astype(np.float32), np.eye(1, 32))
    assert 0.4 < content(images, half, EVEN)[0] < 0.95


def test_content_of_features_that_are_all_alike_is_nothing() -> None:
    same = np.ones((60, 4)) / 2
    assert content(same, same, EVEN)[0] == 0.0


def test_pixels_that_tell_of_a_label_are_left_out() -> None:
    labels = RNG.random((4000, 2)) < 0.5
    values = RNG.normal(size=(4000, 20))
    values[:, 3] += labels[:, 0]
    values[:, 7] -= labels[:, 1]
    values[:, 11] = 5.0
    plain = telling_nothing(values, labels)
    assert np.flatnonzero(~plain).tolist() == [3, 7]
    assert np.flatnonzero(~telling_nothing(values, labels[:, :1])).tolist() == [3]


def test_if_every_pixel_tells_the_tenth_that_tells_least_stays() -> None:
    labels = RNG.random((4000, 1)) < 0.5
    values = RNG.normal(size=(4000, 20)) + labels * np.linspace(1, 5, 20)
    assert np.flatnonzero(telling_nothing(values, labels)).tolist() == [0, 1]


def test_few_images_do_not_make_pixels_tell_by_chance() -> None:
    labels = RNG.random((50, 1)) < 0.5
    assert telling_nothing(RNG.normal(size=(50, 400)), labels).mean() > 0.9


def test_images_are_retrieved_by_what_most_pixels_say() -> None:
    images = RNG.integers(0, 256, (60, 100)).astype(np.uint8)
    edited = images.copy()
    edited[:, :30] = 255  # a change to some pixels, far from every image
    assert retrieved(images, edited).mean() == 1.0
    assert retrieved(images, np.roll(images, 1, axis=0)).mean() == 0.0
    one_for_all = np.repeat(images[:1], 60, axis=0)
    assert retrieved(images, one_for_all).tolist() == [1.0] + [0.0] * 59


def test_equal_images_share_the_answer() -> None:
    same = np.full((4, 10), 9, np.uint8)
    assert retrieved(same, same).tolist() == [0.25] * 4
    assert retrieved(same[:0], same[:0]).shape == (0,)

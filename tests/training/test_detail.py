from __future__ import annotations

import numpy as np

from tests.support.pictures import pictures
from training.detail import MAX_IMAGES, pixel_weights


def test_weight_goes_where_the_attribute_shows() -> None:
    data = pictures(400)
    weights = pixel_weights(data.images, data.labels[:, :1], 0.5)
    assert np.isclose(weights.mean(), 1.0, atol=1e-5)
    bar, rest = weights[13:15, 2:-2], weights[:10]
    assert bar.min() > 2.0
    assert rest.max() < 0.8


def test_no_share_or_no_labels_gives_even_weights() -> None:
    data = pictures(50)
    np.testing.assert_allclose(pixel_weights(data.images, data.labels, 0.0), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(pixel_weights(data.images, data.labels[:, :0], 0.5), 1.0)


def test_labels_that_never_change_are_passed_over() -> None:
    data = pictures(50)
    np.testing.assert_array_equal(pixel_weights(data.images, np.ones((50, 1), np.bool_), 0.5), 1.0)


def test_a_large_set_is_seen_all_over_and_in_small_pieces() -> None:
    """The attribute comes at the end only; means of pieces must be means of the whole."""
    noise = np.random.default_rng(0)
    images = noise.integers(0, 256, (MAX_IMAGES + 5000, 4, 4, 1), dtype=np.uint8)
    labels = np.zeros((len(images), 1), np.bool_)
    labels[-3000:] = True
    images[-3000:, 0, 0] = 255
    weights = pixel_weights(images, labels, 1.0)
    assert weights[0, 0] > 10
    few = images[-4000:]
    with_it, without = few[1000:].mean(axis=0), few[:1000].mean(axis=0)
    wanted = np.abs(with_it - without)[..., 0]
    found = pixel_weights(few, labels[-4000:], 1.0)
    np.testing.assert_allclose(found, wanted / wanted.mean(), rtol=1e-4)

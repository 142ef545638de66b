from __future__ import annotations

import numpy as np

from tests.support.pictures import pictures
from training.detail import pixel_weights


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

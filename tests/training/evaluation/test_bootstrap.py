from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.bootstrap import (
    Estimate,
    divided,
    estimate,
    image_weights,
    only,
    weighted_share,
)


def test_the_first_row_is_the_mean_and_every_row_adds_up_to_one() -> None:
    weights = image_weights(50, 20, np.random.default_rng(0))
    values = np.random.default_rng(1).normal(size=50)
    assert weights.shape == (21, 50)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights @ values)[0] == pytest.approx(values.mean())
    assert image_weights(0, 20, np.random.default_rng(0)).shape == (21, 0)


def test_the_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, size=400)
    found = estimate(image_weights(400, 2000, np.random.default_rng(0)) @ values)
    error = values.std() / np.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_without_draws_the_interval_has_no_width() -> None:
    found = estimate(image_weights(3, 0, np.random.default_rng(0)) @ np.array([0.0, 1.0, 1.0]))
    assert found == Estimate(found.value, found.value, found.value)
    assert found.value == pytest.approx(2 / 3)


def test_a_share_of_all_is_exactly_one() -> None:
    weights = image_weights(150, 10, np.random.default_rng(0))
    assert estimate(weights @ np.ones(150)) == Estimate(1.0, 1.0, 1.0)


def test_shares_are_of_the_chosen_and_nothing_of_none() -> None:
    weights = image_weights(4, 5, np.random.default_rng(0))
    yes = np.array([True, True, False, True])
    of = np.array([True, False, True, False])
    assert weighted_share(weights, yes, of)[0] == 0.5
    assert weighted_share(weights, yes, np.zeros(4, np.bool_)).tolist() == [0.0] * 6
    assert divided(np.array([1.0, 2.0]), np.array([0.0, 4.0])).tolist() == [0.0, 0.5]


def test_weights_of_some_images_add_up_to_one_again() -> None:
    weights = image_weights(30, 5, np.random.default_rng(0))
    chosen = np.arange(30) < 10
    some = only(weights, chosen)
    np.testing.assert_allclose(some.sum(axis=1), 1)
    assert not some[:, 10:].any()
    assert only(weights, np.zeros(30, np.bool_)).sum() == 0.0

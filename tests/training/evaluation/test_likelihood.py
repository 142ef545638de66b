"""Bounds on the likelihood, against a model whose likelihood is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from tests.support.linear_model import SIGMA, VALUES, LinearModel
from training.data.progress import silent
from training.evaluation.likelihood import (
    bits_per_value,
    calibrated_sigma,
    centred,
    dequantised,
    gaussian_nll,
    importance_bound,
    kl_to_normal,
    log_weights,
    measure_likelihood,
)


def exact(model: LinearModel, images: np.ndarray) -> float:
    """Mean of -log p over images, with a dequantisation of its own."""
    scale = 255 / 256
    density = multivariate_normal(
        np.full(VALUES, (127.5 + 0.5) / 256),
        scale**2 * model.weights @ model.weights.T + SIGMA**2 * np.eye(VALUES),
    )
    noise = np.random.default_rng(99).random(images.shape)
    return -float(density.logpdf(((images + noise) / 256).reshape(-1, VALUES)).mean())


def bounds(model: LinearModel, images: np.ndarray, draws: int) -> tuple[float, float]:
    """Means of the two bounds."""
    logs = log_weights(model, images, SIGMA, draws=draws, rng=np.random.default_rng(1))
    assert logs.shape == (len(images), draws)
    return -float(logs.mean()), float(importance_bound(logs).mean())


def test_both_bounds_meet_the_likelihood_where_q_is_the_posterior() -> None:
    model = LinearModel()
    images = model.images(300)
    negative_elbo, tight = bounds(model, images, 16)
    assert negative_elbo == pytest.approx(exact(model, images), abs=0.05)
    assert tight == pytest.approx(negative_elbo, abs=0.02)


def test_with_another_q_more_draws_are_nearer_and_never_below() -> None:
    model = LinearModel(excess=1.0)
    images = model.images(300)
    truth = exact(model, images)
    negative_elbo, few = bounds(model, images, 4)
    many = bounds(model, images, 64)[1]
    assert truth - 0.02 < many < few < negative_elbo
    assert negative_elbo - truth > 0.5
    assert many - truth < 0.1 * (negative_elbo - truth)


def test_figures_of_a_whole_set() -> None:
    model = LinearModel(excess=1.0)
    found = measure_likelihood(
        model,
        model.images(200),
        model.images(500, seed=1),
        tight_images=50,
        tight_draws=64,
        draws=100,
        seed=0,
        progress=silent,
    )
    assert found is not None
    assert (found.images, found.tight_images, found.tight_draws) == (200, 50, 64)
    # Draws wider than the posterior's add to the error that σ has to explain.
    assert SIGMA < found.sigma < 1.2 * SIGMA
    assert found.negative_elbo.low < found.negative_elbo.value < found.negative_elbo.high
    assert found.tight_bound.value < found.tight_negative_elbo.value
    assert found.bits_per_value == pytest.approx(
        8 + found.negative_elbo.value / (VALUES * math.log(2))
    )
    assert found.draw_mse.value == pytest.approx(found.sigma**2, rel=0.1)
    assert found.draw_cross_entropy.value > 0.5 * VALUES


def test_a_plain_autoencoder_has_no_likelihood() -> None:
    model = LinearModel(variational=False)
    images = model.images(5)
    found = measure_likelihood(
        model,
        images,
        images,
        tight_images=5,
        tight_draws=2,
        draws=0,
        seed=0,
        progress=silent,
    )
    assert found is None
    with pytest.raises(ValueError, match="no log-variance"):
        log_weights(model, images, SIGMA, draws=2, rng=np.random.default_rng(0))


def test_sigma_is_the_spread_that_the_model_leaves() -> None:
    # A decoder of one grey level, 127.5, leaves all of it.
    model = LinearModel(gain=0.0)
    levels = np.where(np.arange(VALUES) % 2, 117, 138).astype(np.uint8)
    images = np.repeat(levels.reshape(1, 4, 4, 1), 200, axis=0)
    centre = (127.5 + 0.5) / 256
    errors = (images + 0.5) / 256 - centre
    expected = math.sqrt(float((errors**2).mean()) + 1 / 12 / 256**2)
    found = calibrated_sigma(model, images, np.random.default_rng(0))
    assert found == pytest.approx(expected, rel=0.01)


def test_gaussian_nll_by_hand() -> None:
    # One value at its mean, one two σ away: log(σ √2π) each, and 2² / 2.
    target = np.array([[0.5, 0.5 + 2 * 0.1]])
    unit = ((np.array([[0.5, 0.5]]) * 256 - 0.5) / 255).astype(np.float32)
    expected = 2 * math.log(0.1 * math.sqrt(2 * math.pi)) + 2.0
    assert gaussian_nll(target, unit, 0.1)[0] == pytest.approx(expected, abs=1e-5)


def test_kl_by_hand() -> None:
    mean = np.array([[0.0, 2.0]], np.float32)
    logvar = np.array([[0.0, math.log(4.0)]], np.float32)
    assert kl_to_normal(mean, logvar)[0] == pytest.approx(0.5 * (4 + 4 - 1 - math.log(4)))


def test_importance_bound_by_hand() -> None:
    logs = np.log(np.array([[1.0, 3.0], [5.0, 5.0]]))
    assert importance_bound(logs) == pytest.approx([-math.log(2), -math.log(5)])
    assert importance_bound(logs - 1000.0)[1] == pytest.approx(1000 - math.log(5))


def test_uniform_noise_over_all_levels_costs_eight_bits() -> None:
    # The density of what is uniform over [0, 1] is 1: no nats at all.
    assert bits_per_value(0.0, 100) == 8.0
    assert bits_per_value(-100 * math.log(2), 100) == pytest.approx(7.0)


def test_decoded_levels_lie_in_the_middle_of_their_bins() -> None:
    images = np.full((4000, 1, 1, 1), 51, np.uint8)
    levels = dequantised(images, np.random.default_rng(0))
    assert levels.min() >= 51 / 256
    assert levels.max() < 52 / 256
    assert levels.mean() == pytest.approx(centred(np.float32([51 / 255]))[0], abs=1e-4)

"""Figures of the latent space, on codes whose moments are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.evaluation.latents import describe_latents, kurtosis


def codes(count: int, *, seed: int = 0) -> np.ndarray:
    """Latents of exactly mean 0 and unit covariance, but for rounding."""
    raw = np.random.default_rng(seed).standard_normal((count, 3))
    raw -= raw.mean(axis=0)
    return np.asarray(
        raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False))).T, np.float32
    )


def test_a_posterior_that_is_the_prior_in_the_aggregate() -> None:
    # mean² + variance = 1: each image takes its share of N(0, I).
    mean = math.sqrt(0.75) * codes(500)
    logvar = np.full_like(mean, math.log(0.25))
    found = describe_latents(mean, logvar, seed=0)
    assert found.active_units == 3
    assert found.largest_mean == pytest.approx(0.0, abs=1e-5)
    assert found.smallest_variance == pytest.approx(1.0, abs=1e-4)
    assert found.largest_variance == pytest.approx(1.0, abs=1e-4)
    assert found.largest_correlation == pytest.approx(0.0, abs=1e-4)
    assert found.gaussian_kl == pytest.approx(0.0, abs=1e-4)
    assert found.kurtosis == pytest.approx(1.0, abs=0.15)
    each = 0.5 * (0.25 + 0.75 - 1 - math.log(0.25))
    assert found.kl_per_latent == pytest.approx([each] * 3, rel=0.01)


def test_a_latent_that_is_not_used() -> None:
    mean = codes(300)
    mean[:, 1] = 0.05 * mean[:, 1]
    found = describe_latents(mean, np.zeros_like(mean), seed=0)
    assert found.active_units == 2
    assert found.mean_variances[1] == pytest.approx(0.0025, rel=0.01)
    assert found.kl_per_latent is not None
    assert found.kl_per_latent[1] < 0.01 < found.kl_per_latent[0]


def test_correlated_and_shifted_codes() -> None:
    mean = codes(400) @ np.array([[1, 0.8, 0], [0, 0.6, 0], [0, 0, 1]], np.float32)
    mean = mean + np.array([0, 0, -3], np.float32)
    found = describe_latents(mean, None, seed=0)
    assert found.largest_correlation == pytest.approx(0.8, abs=1e-4)
    assert found.largest_mean == pytest.approx(3.0, abs=1e-4)
    assert found.kl_per_latent is None
    assert found.gaussian_kl is None


def test_gaussian_kl_by_hand() -> None:
    # Variances 1 + 3 = 4 and mean 2 in one latent, none elsewhere.
    mean = codes(100)[:, :1] + 2
    found = describe_latents(mean, np.full_like(mean, math.log(3.0)), seed=0)
    assert found.gaussian_kl == pytest.approx(0.5 * (4 + 4 - 1 - math.log(4)), abs=1e-3)


def test_kurtosis_tells_a_gaussian_from_two_widths() -> None:
    rows = np.random.default_rng(0).standard_normal((4000, 5))
    wide = np.where(np.arange(4000)[:, None] % 2, 3.0, 0.5) * rows
    assert kurtosis(rows) == pytest.approx(1.0, abs=0.05)
    assert kurtosis(wide) > 1.5
    flat = np.concatenate([rows, np.zeros((4000, 1))], axis=1)
    assert kurtosis(flat) == pytest.approx(kurtosis(rows)), "a latent of no variance is left out"
    assert kurtosis(rows @ np.random.default_rng(1).standard_normal((5, 5))) == pytest.approx(
        kurtosis(rows)
    )


def test_one_image_is_too_few() -> None:
    with pytest.raises(ValueError, match="2 images or more, not 1"):
        describe_latents(np.zeros((1, 2), np.float32), None, seed=0)

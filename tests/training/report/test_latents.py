from __future__ import annotations

import numpy as np
import pytest

from training.report.latents import LatentFigures, density, draws


def test_a_latent_that_carries_nothing_is_not_active() -> None:
    mean = np.zeros((100, 3), np.float32)
    mean[:, 1] = np.linspace(-2, 2, 100)
    mean[:, 2] = 5.0  # far off, but the same for every image
    found = LatentFigures.of(mean, np.zeros_like(mean))
    assert found.active.tolist() == [False, True, False]
    assert found.kl is not None
    # With logvar 0, the KL is half the mean square.
    np.testing.assert_allclose(found.kl, 0.5 * (mean.astype(np.float64) ** 2).mean(axis=0))
    assert found.order.tolist() == [2, 1, 0]


def test_a_plain_autoencoder_is_ordered_by_variance() -> None:
    mean = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32) * (1, 9, 3)
    found = LatentFigures.of(mean.astype(np.float32), None)
    assert found.kl is None
    assert found.order.tolist() == [1, 2, 0]


def test_a_draw_has_the_posterior_s_mean_and_spread() -> None:
    mean = np.full((20_000, 2), (1.0, -3.0), np.float32)
    logvar = np.full_like(mean, np.log(0.25))
    drawn = draws(mean, logvar, np.random.default_rng(0))
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(axis=0), (1, -3), atol=0.02)
    np.testing.assert_allclose(drawn.std(axis=0), 0.5, atol=0.01)
    assert draws(mean, None, np.random.default_rng(0)) is mean


def test_a_density_counts_what_lies_outside_in_the_whole() -> None:
    edges = np.array([0.0, 1.0, 3.0])
    inside = density(np.array([0.5, 0.5, 2.0, 2.0], np.float32), edges)
    np.testing.assert_allclose(inside, (0.5, 0.25))
    assert (inside * np.diff(edges)).sum() == pytest.approx(1.0)
    half = density(np.array([0.5, 0.5, 9.0, -9.0], np.float32), edges)
    np.testing.assert_allclose(half, (0.5, 0.0))

from __future__ import annotations

import numpy as np

from export.prior import fit_prior


def test_a_mixture_finds_groups_that_one_gaussian_would_blur() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[-4.0, 0.0], [4.0, 0.0], [0.0, 5.0]])
    groups = rng.integers(0, 3, 3000)
    means = (centres[groups] + 0.3 * rng.standard_normal((3000, 2))).astype(np.float32)
    prior = fit_prior(means, seed=0, components=3)
    np.testing.assert_allclose(sorted(prior.weights), [1 / 3] * 3, atol=0.05)
    drawn = prior.sample(rng.random(500), rng.standard_normal((500, 2), np.float32))
    nearest = np.linalg.norm(drawn[:, None] - centres[None], axis=2).min(axis=1)
    assert nearest.max() < 2.0


def test_few_means_get_one_gaussian() -> None:
    means = np.random.default_rng(1).standard_normal((60, 8)).astype(np.float32)
    prior = fit_prior(means, seed=0)
    assert prior.weights.tolist() == [1.0]
    np.testing.assert_allclose(prior.means[0], means.mean(0), atol=1e-5)
    np.testing.assert_allclose(
        prior.cholesky[0] @ prior.cholesky[0].T, np.cov(means, rowvar=False), atol=1e-4
    )


def test_the_same_seed_fits_the_same_prior() -> None:
    means = np.random.default_rng(2).standard_normal((2000, 3)).astype(np.float32)
    one, other = (fit_prior(means, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.means, other.means)

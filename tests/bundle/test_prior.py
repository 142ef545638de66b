"""The prior: right in distribution, and the same bits for a row whatever its company."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.prior import Prior


def mixture(components: int, dimension: int, seed: int = 0) -> Prior:
    random = np.random.default_rng(seed)
    weights = random.dirichlet(np.full(components, 20.0)).astype(np.float32)
    lower = np.tril(random.standard_normal((components, dimension, dimension)))
    means = random.standard_normal((components, dimension))
    return Prior(weights, means.astype(np.float32), lower.astype(np.float32))


@given(
    components=st.integers(1, 4),
    dimension=st.integers(1, 70),
    rows=st.integers(1, 33),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=80)
def test_a_row_does_not_depend_on_its_company(
    components: int, dimension: int, rows: int, seed: int
) -> None:
    prior = mixture(components, dimension, seed)
    random = np.random.default_rng(seed)
    uniform = random.random(rows)
    normal = random.standard_normal((rows, dimension), dtype=np.float32)
    together = prior.sample(uniform, normal, 0.8)
    assert together.dtype == np.float32
    for few in {1, rows // 2 or 1, rows}:
        assert prior.sample(uniform[:few], normal[:few], 0.8).tobytes() == together[:few].tobytes()
    last = prior.sample(uniform[-1:], normal[-1:], 0.8)
    assert last.tobytes() == together[-1:].tobytes()


def test_temperature_zero_gives_the_components_means() -> None:
    prior = mixture(3, 4)
    uniform = np.linspace(0, 1, 50, endpoint=False)
    drawn = prior.sample(uniform, np.ones((50, 4), np.float32), temperature=0)
    assert {row.tobytes() for row in drawn} == {row.tobytes() for row in prior.means}


def test_components_are_chosen_by_weight() -> None:
    prior = Prior(
        np.array([0.25, 0.0, 0.75], np.float32),
        np.array([[0], [1], [2]], np.float32),
        np.zeros((3, 1, 1), np.float32),
    )
    uniform = np.array([0.0, 0.2499, 0.25, 0.9999999])
    drawn = prior.sample(uniform, np.zeros((4, 1), np.float32))
    assert drawn[:, 0].tolist() == [0, 0, 2, 2]


def test_samples_have_the_priors_mean_and_covariance() -> None:
    prior = mixture(1, 3, seed=2)
    random = np.random.default_rng(0)
    normal = random.standard_normal((60_000, 3), dtype=np.float32)
    drawn = prior.sample(random.random(60_000), normal)
    covariance = prior.cholesky[0] @ prior.cholesky[0].T
    np.testing.assert_allclose(drawn.mean(axis=0), prior.means[0], atol=0.05)
    np.testing.assert_allclose(np.cov(drawn, rowvar=False), covariance, atol=0.1)


def test_the_standard_normal_gives_back_its_noise() -> None:
    normal = np.random.default_rng(0).standard_normal((5, 3), dtype=np.float32)
    drawn = Prior.standard_normal(3).sample(np.zeros(5), normal)
    np.testing.assert_array_equal(drawn, normal)


def test_a_gaussian_is_fitted_to_latents() -> None:
    source = mixture(1, 4, seed=3)
    random = np.random.default_rng(1)
    latents = source.sample(random.random(20_000), random.standard_normal((20_000, 4)).astype("f4"))
    fitted = Prior.gaussian(latents)
    assert fitted.dimension == 4
    np.testing.assert_allclose(fitted.means[0], latents.mean(axis=0), atol=1e-4)
    covariance = fitted.cholesky[0] @ fitted.cholesky[0].T
    np.testing.assert_allclose(covariance, np.cov(latents, rowvar=False), atol=1e-3)


@pytest.mark.parametrize("dimension", [1, 3])
def test_collapsed_latents_can_be_fitted(dimension: int) -> None:
    fitted = Prior.gaussian(np.full((10, dimension), 0.5, np.float32))
    np.testing.assert_allclose(fitted.means, 0.5)
    assert np.abs(fitted.cholesky).max() < 0.01


@pytest.mark.parametrize(
    ("weights", "means", "cholesky"),
    [
        ([1.0], np.zeros((2, 3)), np.zeros((2, 3, 3))),
        ([0.5, 0.5], np.zeros((2, 3)), np.zeros((2, 3, 2))),
        ([0.5, 0.6], np.zeros((2, 3)), np.zeros((2, 3, 3))),
        ([-0.5, 1.5], np.zeros((2, 3)), np.zeros((2, 3, 3))),
        ([0.5, 0.5], np.full((2, 3), np.nan), np.zeros((2, 3, 3))),
        ([1.0], np.zeros(3), np.zeros((1, 3, 3))),
        ([], np.zeros((0, 3)), np.zeros((0, 3, 3))),
    ],
)
def test_what_is_no_mixture_is_refused(
    weights: list[float], means: np.ndarray, cholesky: np.ndarray
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - every message has its own words
        Prior(np.array(weights, np.float32), means.astype(np.float32), cholesky.astype(np.float32))


def test_many_rows_copy_no_factors() -> None:
    prior = Prior.standard_normal(256)
    rows = 400
    tracemalloc.start()
    prior.sample(np.zeros(rows), np.ones((rows, 256), np.float32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rows * 256 * 256 * 4 / 20

"""Draws from the priors: by the seed alone, within bounds, and only from priors that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bundle import Bundle, open_bundle
from inference.errors import InvalidRequest
from inference.sampling import Priors
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return open_bundle(write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.mark.parametrize("prior", ["fitted", "normal"])
def test_the_first_latents_are_those_of_a_smaller_n(bundle: Bundle, prior: Any) -> None:
    priors = Priors(bundle)
    many = priors.draw(5, 9, 0.8, prior)
    assert many.shape == (9, 4)
    np.testing.assert_array_equal(priors.draw(5, 3, 0.8, prior), many[:3])


def test_the_normal_prior_is_standard_normal(bundle: Bundle) -> None:
    drawn = Priors(bundle).draw(1, 20_000, 1.0, "normal")
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(4), atol=0.05)


@pytest.mark.parametrize("values", [(0, 1.0, "fitted"), (1, 2.5, "fitted"), (1, 1.0, "flat")])
def test_what_cannot_be_drawn_is_refused(bundle: Bundle, values: Any) -> None:
    with pytest.raises(InvalidRequest):
        Priors(bundle).check(*values)


def test_a_plain_autoencoder_has_the_fitted_prior_alone(tmp_path: Path) -> None:
    priors = Priors(open_bundle(write_tiny_bundle(tmp_path, variational=False)))
    priors.check(1, 1.0, "fitted")
    with pytest.raises(InvalidRequest, match=r"plain autoencoder.*choose fitted"):
        priors.check(1, 1.0, "normal")

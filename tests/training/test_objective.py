from __future__ import annotations

import math

import pytest
import torch

from training.models import Latent
from training.objective import calibrated_nll, kl_divergence, reconstruction_nll


def test_kl_is_that_of_two_gaussians() -> None:
    torch.manual_seed(0)
    mean, logvar = torch.randn(5, 3), torch.randn(5, 3)
    ours = kl_divergence(Latent(mean, logvar))
    q = torch.distributions.Normal(mean, torch.exp(0.5 * logvar))
    p = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
    torch.testing.assert_close(ours, torch.distributions.kl_divergence(q, p).sum(dim=1))


def test_kl_of_the_prior_from_itself_is_zero() -> None:
    zero = torch.zeros(2, 7)
    torch.testing.assert_close(kl_divergence(Latent(zero, zero)), torch.zeros(2))


def test_draw_scales_the_noise_by_the_standard_deviation() -> None:
    latent = Latent(torch.tensor([[1.0]]), torch.tensor([[math.log(4.0)]]))
    torch.testing.assert_close(latent.draw(torch.tensor([[1.5]])), torch.tensor([[4.0]]))


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2.0])
def test_calibrated_likelihood_is_the_best_over_sigma(factor: float) -> None:
    values, mse = 48, 0.013
    sigma = factor * math.sqrt(mse)
    other = values * (0.5 * mse / sigma**2 + math.log(sigma) + 0.5 * math.log(2 * math.pi))
    assert calibrated_nll(torch.tensor(mse), values).item() < other


def test_calibrated_likelihood_has_a_floor() -> None:
    perfect = calibrated_nll(torch.tensor(0.0), 10)
    assert torch.isfinite(perfect)
    torch.testing.assert_close(perfect, calibrated_nll(torch.tensor(1e-9), 10))


def test_even_weights_give_the_plain_likelihood() -> None:
    torch.manual_seed(0)
    image, other = torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)
    nll = reconstruction_nll(image, other, pixel_weights=torch.ones(8, 8))
    torch.testing.assert_close(nll, calibrated_nll((image - other).square().mean(), 3 * 8 * 8))


def test_weighted_pixels_count_more() -> None:
    image = torch.zeros(2, 1, 4, 4)
    here, there = image.clone(), image.clone()
    here[:, :, 0, 0], there[:, :, 3, 3] = 0.5, 0.5
    weights = torch.ones(4, 4)
    weights[0, 0] = 5.0
    costs = [
        reconstruction_nll(image, wrong, pixel_weights=weights / weights.mean())
        for wrong in (here, there)
    ]
    assert costs[0] > costs[1]


def test_features_take_their_share_and_nothing_else() -> None:
    torch.manual_seed(0)
    image, other = torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4)
    maps = [(torch.rand(2, 6, 2, 2), torch.rand(2, 6, 2, 2))]
    parts = [
        reconstruction_nll(
            image, other, pixel_weights=torch.ones(4, 4), features=maps, feature_weight=share
        )
        for share in (0.0, 0.25, 1.0)
    ]
    torch.testing.assert_close(parts[1], 0.75 * parts[0] + 0.25 * parts[2])
    torch.testing.assert_close(
        parts[2], calibrated_nll((maps[0][0] - maps[0][1]).square().mean(), 16)
    )

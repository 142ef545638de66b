from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from training.models import VAE
from training.models.blocks import Residual, Upsample, convolution, fold_upsample
from training.models.vae import LOGVAR_LIMIT


@pytest.mark.parametrize("side", [1, 2, 5, 8])
def test_folded_upsampling_equals_the_pair_at_every_pixel(side: int) -> None:
    torch.manual_seed(side)
    kernel, x = torch.randn(5, 4, 3, 3), torch.randn(2, 4, side, side)
    pair = F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), kernel, padding=1)
    one = F.conv_transpose2d(x, fold_upsample(kernel), stride=2, padding=1)
    torch.testing.assert_close(one, pair, rtol=1e-5, atol=1e-5)


def test_upsample_trains_the_small_kernel() -> None:
    layer = Upsample(3, 2, bias=True)
    layer(torch.randn(1, 3, 4, 4)).sum().backward()
    assert layer.weight.shape == (2, 3, 3, 3)
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().min() > 0


def test_residual_block_begins_as_the_identity() -> None:
    x = torch.rand(2, 4, 8, 8)
    torch.testing.assert_close(Residual(4)(x), x)


@pytest.mark.parametrize(("stride", "side"), [(1, 8), (2, 4)])
def test_convolution_keeps_or_halves(stride: int, side: int) -> None:
    assert convolution(3, 6, stride=stride)(torch.rand(2, 3, 8, 8)).shape == (2, 6, side, side)


def _network(size: int = 16) -> VAE:
    torch.manual_seed(0)
    return VAE(channels=3, size=size, widths=(8, 16), residual=1, latent=5).eval()


def test_shapes_there_and_back() -> None:
    network = _network()
    latent = network.encoder(torch.rand(2, 3, 16, 16))
    assert latent.mean.shape == latent.logvar.shape == (2, 5)
    image = network.decoder(latent.mean)
    assert image.shape == (2, 3, 16, 16)
    assert image.min() >= 0
    assert image.max() <= 1


def test_log_variance_is_clamped() -> None:
    network = _network()
    with torch.no_grad():
        network.encoder.head.bias.fill_(1000.0)
    latent = network.encoder(torch.rand(1, 3, 16, 16))
    assert latent.logvar.abs().max() == LOGVAR_LIMIT
    assert latent.mean.max() > LOGVAR_LIMIT


def test_a_size_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(ValueError, match=r"18 pixels cannot be halved 2 times.*multiple of 4"):
        _network(size=18)

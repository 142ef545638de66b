"""A torch network as a model: layouts, batches, log-variances that are not there."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from training.evaluation import NetworkModel


class _Corner(nn.Module):
    """The mean is the top left pixel's channels; the log-variance their negative, or None."""

    def __init__(self, *, variational: bool) -> None:
        super().__init__()
        self.variational = variational

    def forward(self, image: Tensor) -> SimpleNamespace:
        mean = image[:, :, 0, 0]
        return SimpleNamespace(mean=mean, logvar=-mean if self.variational else None)


class _Paint(nn.Module):
    def forward(self, latent: Tensor) -> Tensor:
        return latent[:, :, None, None].expand(-1, -1, 4, 5)


def model(*, variational: bool = True, batch: int = 2) -> NetworkModel:
    network = nn.Module()
    network.encoder, network.decoder = _Corner(variational=variational), _Paint()
    return NetworkModel(network, 3, batch=batch)


def test_channels_last_outside_and_first_inside() -> None:
    images = np.zeros((5, 4, 5, 3), np.uint8)
    images[:, 0, 0] = np.arange(15).reshape(5, 3)
    mean, logvar = model().encode(images)
    assert mean == pytest.approx(np.arange(15).reshape(5, 3) / 255)
    assert logvar == pytest.approx(-mean)
    assert (model().decode(mean) == images[:, :1, :1]).all()
    assert model().decode(mean).shape == images.shape


def test_a_plain_autoencoder_says_no_logvar() -> None:
    assert model(variational=False).encode(np.zeros((3, 4, 5, 3), np.uint8))[1] is None


def test_batches_change_nothing() -> None:
    latents = np.random.default_rng(0).random((7, 3), np.float32)
    unit = model(batch=3).decode_unit(latents)
    assert unit.dtype == np.float32
    assert (unit == model(batch=100).decode_unit(latents)).all()
    assert (unit[:, 1, 2] == latents).all()
    assert not torch.is_inference(torch.from_numpy(unit))


def test_no_rows_give_no_rows() -> None:
    assert model().encode(np.zeros((0, 4, 5, 3), np.uint8))[0].shape == (0, 3)
    assert model().decode(np.zeros((0, 3), np.float32)).shape == (0, 4, 5, 3)

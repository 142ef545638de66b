"""Keras' 'same' padding, written out pixel by pixel."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training.models.keras_layers import (
    DoublingConvTranspose2d,
    HalvingConv2d,
    keras_initial_values,
    normalisation,
)


@pytest.mark.parametrize("side", [2, 4, 6, 14])
def test_halving_reads_the_pixel_and_its_next_two(side: int) -> None:
    torch.manual_seed(side)
    layer, x = HalvingConv2d(2, 3), torch.randn(1, 2, side, side)
    beyond = torch.zeros(1, 2, side + 1, side + 1)
    beyond[:, :, :side, :side] = x
    expected = torch.empty(1, 3, side // 2, side // 2)
    for row in range(side // 2):
        for column in range(side // 2):
            window = beyond[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            expected[:, :, row, column] = (
                torch.einsum("bihw,oihw->bo", window, layer.weight) + layer.bias
            )
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [1, 2, 7])
def test_doubling_writes_to_the_pixel_and_its_next_two(side: int) -> None:
    torch.manual_seed(side)
    layer, x = DoublingConvTranspose2d(2, 3), torch.randn(1, 2, side, side)
    expected = torch.zeros(1, 3, 2 * side + 1, 2 * side + 1) + layer.bias[:, None, None]
    for row in range(side):
        for column in range(side):
            expected[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += torch.einsum(
                "bi,iohw->bohw", x[:, :, row, column], layer.weight
            )
    torch.testing.assert_close(
        layer(x), expected[:, :, : 2 * side, : 2 * side], rtol=1e-4, atol=1e-5
    )


def test_doubling_is_the_adjoint_of_halving() -> None:
    torch.manual_seed(0)
    down, up = HalvingConv2d(2, 3), DoublingConvTranspose2d(3, 2)
    with torch.no_grad():
        up.weight.copy_(down.weight)
        down.bias.zero_()
        up.bias.zero_()
    x, y = torch.randn(1, 2, 8, 8), torch.randn(1, 3, 4, 4)
    torch.testing.assert_close((down(x) * y).sum(), (x * up(y)).sum(), rtol=1e-4, atol=1e-4)


def test_normalisation_keeps_99_parts_of_its_statistics() -> None:
    layer = normalisation(1).train()
    layer(torch.full((4, 1, 2, 2), 5.0))
    torch.testing.assert_close(layer.running_mean, torch.tensor([0.05]))
    assert layer.eps == 1e-3


def test_kernels_fill_glorots_interval_and_biases_are_zero() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(HalvingConv2d(8, 16), DoublingConvTranspose2d(16, 24), nn.Linear(50, 9))
    keras_initial_values(network)
    for layer, fans in zip(network, (9 * (8 + 16), 9 * (16 + 24), 50 + 9), strict=True):
        limit = (6.0 / fans) ** 0.5
        largest = layer.weight.abs().max().item()
        assert 0.97 * limit < largest <= limit
        assert not layer.bias.any()

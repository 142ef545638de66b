"""Layers with the conventions of Keras, for networks that were born there.

    [B, C, H, W] → stride-2 convolution, 'same' → [B, C', H/2, W/2]     (even sides)
    [B, C, H, W] → stride-2 transposed convolution, 'same' → [B, C', 2H, 2W]

Keras pads an even side on the right and below only, and its transposed convolution crops there;
PyTorch's own paddings are symmetric. `export.fold` can fold a normalisation into either layer,
since both are convolutions with all that belongs to them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAK = 0.3
"""Slope of Keras' leaky rectifier below zero."""


class HalvingConv2d(nn.Conv2d):
    """``Conv2D(outputs, 3, strides=2, padding="same")`` for maps with even sides."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """A 3 × 3 kernel with a bias."""
        super().__init__(inputs, outputs, 3, stride=2)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        """[B, I, H, W] → [B, O, H/2, W/2]: one row and column of zeros, below and on the right."""
        return super().forward(F.pad(input, (0, 1, 0, 1)))


class DoublingConvTranspose2d(nn.ConvTranspose2d):
    """``Conv2DTranspose(outputs, 3, strides=2, padding="same")``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """A 3 × 3 kernel with a bias."""
        super().__init__(inputs, outputs, 3, stride=2)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002  (torch's own name)
        """[B, I, H, W] → [B, O, 2H, 2W]: the last row and column of 2H + 1, 2W + 1 are cut."""
        return super().forward(input, output_size)[:, :, :-1, :-1]


def normalisation(channels: int) -> nn.BatchNorm2d:
    """``BatchNormalization()`` over channels: momentum 0.99 (torch counts the rest), ε 0.001."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def flat_normalisation(features: int) -> nn.BatchNorm1d:
    """The same after a dense layer."""
    return nn.BatchNorm1d(features, eps=1e-3, momentum=0.01)


@torch.no_grad()
def keras_initial_values(network: nn.Module) -> None:
    """Glorot-uniform kernels and zero biases in place (Glorot and Bengio 2010, eq. 16)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

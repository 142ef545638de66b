"""Blocks of the networks: each becomes one or two plain ONNX operators once trained.

Batch normalisation folds into its convolution at export, and the leaky rectifier fuses with it,
so that what is served has neither.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.1
"""Of the leaky rectifiers."""


def convolution(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, leaky rectifier.

    Kernel 3 keeps the size; stride 2 takes kernel 4, which halves it without favouring any pixel.
    """
    kernel = 3 if stride == 1 else 4
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(SLOPE),
    )


class Residual(nn.Module):
    """x + two convolutions of x: [B, C, H, W] → the same shape."""

    def __init__(self, channels: int) -> None:
        """Two 3 × 3 convolutions of ``channels`` each."""
        super().__init__()
        last = nn.BatchNorm2d(channels)
        # The block begins as the identity: training starts from the shallow network.
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            convolution(channels, channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            last,
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] → [B, C, H, W]."""
        return F.leaky_relu(x + self.body(x), SLOPE)


def fold_upsample(weight: Tensor) -> Tensor:
    """The transposed kernel (4 × 4, stride 2, padding 1) of nearest ×2 followed by a 3 × 3 kernel.

    Each output pixel of the pair sees only 2 × 2 distinct inputs, so taps that read the same
    input are added up: in one dimension (a, b, c) becomes (c, b + c, a + b, a). Borders agree
    too, since both pad with zeros.

    Args:
        weight: float [O, I, 3, 3] of a `torch.nn.Conv2d`.

    Returns:
        float [I, O, 4, 4] for `torch.nn.functional.conv_transpose2d`.
    """
    taps = torch.tensor(
        [[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=weight.dtype, device=weight.device
    )
    return torch.einsum("oihw,ph,qw->iopq", weight, taps, taps)


class Upsample(nn.Module):
    """Nearest-neighbour ×2, then a 3 × 3 convolution: [B, I, H, W] → [B, O, 2H, 2W].

    Computed as the one transposed convolution that it equals: 2.25 times less arithmetic, in
    training as when served. The parameters stay those of the 3 × 3 kernel, whose overlap is even:
    no checkerboard.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = False) -> None:
        """A 3 × 3 kernel from ``inputs`` to ``outputs`` channels."""
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        nn.init.kaiming_uniform_(self.weight, a=SLOPE, nonlinearity="leaky_relu")

    def forward(self, x: Tensor) -> Tensor:
        """[B, I, H, W] → [B, O, 2H, 2W]."""
        return F.conv_transpose2d(x, fold_upsample(self.weight), self.bias, stride=2, padding=1)


def upsampling(inputs: int, outputs: int) -> nn.Sequential:
    """`Upsample`, batch normalisation, leaky rectifier."""
    return nn.Sequential(Upsample(inputs, outputs), nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE))

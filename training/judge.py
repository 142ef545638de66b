"""The training judge: a small classifier of attributes, taught on real images only.

image [B, C, H, W] → shrunk to the judged size → three maps of features → logits [B, A]

While it learns, images are moved, blurred, tinted and made noisy, so that neither blur nor a
faint pattern passes for an attribute. It then stands still and serves the VAE twice: its features
say which small things matter, and its verdict tells whether a shifted image shows its attribute.
It is never the judge that reports quality.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.batches import endless_batches, to_unit
from training.draws import Draws
from training.judged import judged_shape, seen
from training.models.blocks import SLOPE, convolution

if TYPE_CHECKING:
    from training.data.dataset import Dataset

WIDTHS = (24, 48, 96)
RATE = 2e-3
"""Learning rate at its highest."""
MOVE = 2
"""Pixels that an image is moved by at most."""


class Judge(nn.Module):
    """Stride-2 convolutions and two linear layers."""

    def __init__(
        self,
        *,
        channels: int,
        height: int,
        width: int,
        attributes: int,
        widths: tuple[int, ...] = WIDTHS,
    ) -> None:
        """A judge of ``attributes`` labels for images of one size, one stage per width."""
        super().__init__()
        pairs = zip((channels, *widths), widths, strict=False)
        self.stages = nn.ModuleList(
            convolution(inputs, outputs, stride=2) for inputs, outputs in pairs
        )
        seen_height, seen_width = judged_shape(height, width)
        scale = 1 << len(widths)
        cells = (seen_height // scale) * (seen_width // scale)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(widths[-1] * cells, 128),
            nn.LeakyReLU(SLOPE),
            nn.Linear(128, attributes),
        )

    def features(self, image: Tensor) -> list[Tensor]:
        """Float [B, C, H, W] in [0, 1] → the maps after each stage."""
        maps = []
        x = 2 * seen(image) - 1
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, image: Tensor) -> Tensor:
        """Float [B, C, H, W] in [0, 1] → logits float [B, A]."""
        logits: Tensor = self.head(self.features(image)[-1])
        return logits


def disturb(image: Tensor, draws: Draws) -> Tensor:
    """Move by up to two pixels, blur, tint and add noise: [B, C, H, W] → the same shape.

    Differentiable, so that a decoder can learn through it. All images of a batch are moved and
    blurred alike, and tinted and made noisy each in its own way.
    """
    height, width = image.shape[2:]
    x, y = draws.common_integers(2 * MOVE + 1, 2)
    moved = F.pad(image, (MOVE, MOVE, MOVE, MOVE), mode="replicate")
    moved = moved[:, :, y : y + height, x : x + width]
    blur = draws.common_uniform()
    soft = F.avg_pool2d(F.pad(moved, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    moved = torch.lerp(moved, soft, max(0.0, 1.5 * blur - 0.5))
    device, shape = image.device, (len(image), 1, 1, 1)
    gain = 0.9 + 0.2 * draws.uniform(*shape).to(device)
    level = 0.08 * draws.uniform(*shape).to(device)
    noise = draws.normal(*image.shape).to(device)
    return moved * gain + level * noise


def teach(judge: Judge, data: Dataset, *, batch_size: int, steps: int, seed: int) -> None:
    """Teach ``judge`` in place, then freeze it.

    Args:
        judge: On the device where it is to learn.
        data: Real training images with its attributes.
        batch_size: Images a step.
        steps: Their number.
        seed: Of order and disturbances.
    """
    device = next(judge.parameters()).device
    draws = Draws(seed)
    optimiser = torch.optim.AdamW(judge.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=max(steps, 2))
    judge.train()
    for pixels, labels in islice(endless_batches(data, batch_size, seed=seed), steps):
        image = disturb(seen(to_unit(pixels.to(device))), draws)
        loss = F.binary_cross_entropy_with_logits(judge(image), labels.to(device))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
        schedule.step()
    judge.eval().requires_grad_(False)  # noqa: FBT003  (torch's signature)


@torch.no_grad()
def balanced_accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean of the hit rates on positives and negatives, float [A]; 0.5 is guessing."""
    said, true = logits > 0, labels > 0.5  # noqa: PLR2004  (labels are 0 or 1)
    hit = (said & true).sum(0) / true.sum(0).clamp_min(1)
    rejected = (~said & ~true).sum(0) / (~true).sum(0).clamp_min(1)
    return 0.5 * (hit + rejected)

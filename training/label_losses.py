"""Losses that ask the encoder's mean for the labels, summed over attributes; both are options.

mean [B, L], labels [B, A] → linear head's cross-entropy · order of one latent per attribute

The head asks that each attribute can be read off the mean by a plane; the order loss asks that it
can be read off one latent of its own. Neither says anything about what the decoder draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from training.presets import Preset

SHARPNESS = 1.0
"""δ: how far apart two latents must lie until their order counts as seen."""


class LabelLosses(nn.Module):
    """Both losses with a preset's weights, and the head that one of them learns."""

    def __init__(self, preset: Preset, attributes: int) -> None:
        """A head that knows nothing yet, if ``preset`` weighs one."""
        super().__init__()
        self.head_weight, self.order_weight = preset.head_weight, preset.order_weight
        self.head = nn.Linear(preset.latent, attributes) if preset.head_weight else None
        if self.head is not None:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    def forward(self, mean: Tensor, labels: Tensor) -> Tensor:
        """What mean float [B, L] and labels float [B, A] cost, scalar."""
        with torch.autocast(mean.device.type, enabled=False):
            cost = mean.new_zeros(())
            if self.head is not None:
                cost = cost + self.head_weight * head_loss(self.head(mean), labels)
            if self.order_weight:
                # Attributes beyond the latents have none to be ordered by.
                ordered = labels[:, : mean.shape[1]]
                cost = cost + self.order_weight * order_loss(mean, ordered)
            return cost


def label_losses(preset: Preset, attributes: int) -> LabelLosses | None:
    """The losses that ``preset`` weighs; None if it weighs none, or there are no attributes."""
    weighed = preset.head_weight or preset.order_weight
    return LabelLosses(preset, attributes) if weighed and attributes else None


def head_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the linear head, summed over attributes, nats per image, scalar.

    Args:
        logits: float [B, A], a linear function of the mean.
        labels: float [B, A] of 0 and 1.
    """
    summed = F.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(dim=1)
    return summed.mean()


def order_loss(mean: Tensor, labels: Tensor, *, sharpness: float = SHARPNESS) -> Tensor:
    """How badly the first A latents order the batch by its labels, per image, scalar.

    For attribute a and latent a, over all pairs (i, j) of the batch, the mean of
    |tanh(δ (mean_ia - mean_ja)) - sign(label_ia - label_ja)|, summed over attributes (Pati and
    Lerch 2020, "Attribute-based regularization of latent spaces", equations 5 and 6). With labels
    of 0 and 1 the sign of two alike is 0: their latents are drawn together, the others apart.

    Args:
        mean: float [B, L].
        labels: float [B, A] of 0 and 1, A at most L.
        sharpness: δ.
    """
    own = mean[:, : labels.shape[1]]
    found = torch.tanh(sharpness * (own[:, None] - own[None]))
    wanted = torch.sign(labels[:, None] - labels[None])
    return (found - wanted).abs().mean(dim=(0, 1)).sum()

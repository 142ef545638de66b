"""Directions: what one attribute adds to the latent, the others held fixed.

labels Y [N, A], means Z [N, L] → B = (Y'Y/n + r I)⁻¹ Y'Z/n (both centred) → directions [A, L]

Ridge regression on all labels at once: row a is the move for label a alone, not what merely
comes along with it in the data. Strength 1 closes the gap between without and with; a direction
is never scaled to unit length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

RIDGE = 1e-3
"""r, relative to the number of items: keeps rare labels from exploding."""


def ridge_directions(labels: NDArray[np.bool_], means: NDArray[np.float32]) -> NDArray[np.float32]:
    """Directions float32 [A, L] from labels bool [N, A] and encoder means float32 [N, L]."""
    y = labels.astype(np.float64) - labels.mean(axis=0)
    z = means.astype(np.float64) - means.mean(axis=0, dtype=np.float64)
    count = len(y)
    gram = y.T @ y / count + RIDGE * np.eye(y.shape[1])
    return np.linalg.solve(gram, y.T @ z / count).astype(np.float32)


class RunningDirections(nn.Module):
    """The same directions while the encoder still moves: from running moments of the batches."""

    label_mean: Tensor
    latent_mean: Tensor
    label_label: Tensor
    label_latent: Tensor
    weight: Tensor

    def __init__(self, attributes: int, latent: int, *, decay: float = 0.98) -> None:
        """Moments that forget with ``decay`` per batch."""
        super().__init__()
        self.decay = decay
        self.register_buffer("label_mean", torch.zeros(attributes))
        self.register_buffer("latent_mean", torch.zeros(latent))
        self.register_buffer("label_label", torch.zeros(attributes, attributes))
        self.register_buffer("label_latent", torch.zeros(attributes, latent))
        self.register_buffer("weight", torch.zeros(()))

    @torch.no_grad()
    def update(self, labels: Tensor, means: Tensor) -> None:
        """Take in one batch: labels float [B, A], means float [B, L]."""
        keep, count = self.decay, len(labels)
        with torch.autocast(labels.device.type, enabled=False):
            moments = (
                (self.label_mean, labels.mean(dim=0)),
                (self.latent_mean, means.mean(dim=0)),
                (self.label_label, labels.T @ labels / count),
                (self.label_latent, labels.T @ means / count),
            )
        for buffer, moment in moments:
            buffer.mul_(keep).add_(moment, alpha=1.0 - keep)
        self.weight.mul_(keep).add_(1.0 - keep)

    @torch.no_grad()
    def directions(self) -> Tensor:
        """Directions float [A, L] of what was taken in so far."""
        scale = 1.0 / self.weight.clamp_min(1e-6)
        y, z = self.label_mean * scale, self.latent_mean * scale
        gram = self.label_label * scale - torch.outer(y, y)
        cross = self.label_latent * scale - torch.outer(y, z)
        ridge = RIDGE * torch.eye(len(y), device=y.device, dtype=y.dtype)
        solved: Tensor = torch.linalg.solve(gram + ridge, cross)
        return solved

"""What the reference networks share: a body with heads, and a body that ends in pixels."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from training.models.network import Latent

Head = Literal["none", "logvar", "log_sigma"]

LOGVAR_BOUND = 20.0
"""Keeps exp() of what is served finite. Training has no bound, as in the originals."""


class Encoder(nn.Module):
    """A body that ends in features, and linear heads."""

    def __init__(self, body: nn.Sequential, features: int, latent: int, *, head: Head) -> None:
        """``head`` says what the second linear layer stands for, ``none`` that there is none.

        A log-sigma head gives ``logvar = 2 · head``: the same network, the same loss.
        """
        super().__init__()
        self.body = body
        self.mean = nn.Linear(features, latent)
        self.spread = None if head == "none" else nn.Linear(features, latent)
        self.logvars_of_spread = 2.0 if head == "log_sigma" else 1.0

    def forward(self, image: Tensor) -> Latent:
        """Float [B, C, H, W] in [0, 1] → mean, logvar [B, L]."""
        features = self.body(image)
        mean = self.mean(features).float()
        if self.spread is None:
            return Latent(mean, None)
        logvar = self.logvars_of_spread * self.spread(features).float()
        if not self.training:
            logvar = logvar.clamp(-LOGVAR_BOUND, LOGVAR_BOUND)
        return Latent(mean, logvar)


class Decoder(nn.Module):
    """A body that ends in one map for each channel, squeezed into [0, 1]."""

    def __init__(self, body: nn.Sequential) -> None:
        """Keep the body."""
        super().__init__()
        self.body = body

    def forward(self, latent: Tensor) -> Tensor:
        """Float [B, L] → float [B, C, H, W] in [0, 1]."""
        return torch.sigmoid(self.body(latent).float())

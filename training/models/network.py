"""What every network of this project is: an encoder, a decoder, and the latent between them.

    image float [B, C, H, W] in [0, 1] → encoder → mean, logvar [B, L]
    z = mean + exp(logvar / 2) · noise → decoder → image float [B, C, H, W] in [0, 1]

Random numbers come in as an argument: a network is a function. A plain autoencoder has no logvar;
its draw is the mean itself.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Latent(NamedTuple):
    """What the encoder says of images: q(z|x) = N(mean, exp(logvar)), each float [B, L].

    ``logvar`` is None for a plain autoencoder, whose latent is a point.
    """

    mean: Tensor
    logvar: Tensor | None

    def draw(self, noise: Tensor) -> Tensor:
        """Mean + exp(logvar / 2) · noise, [B, L] (Kingma and Welling 2013, section 2.4)."""
        if self.logvar is None:
            return self.mean
        return self.mean + torch.exp(0.5 * self.logvar) * noise


class Network(nn.Module):
    """An encoder and a decoder.

    Attributes:
        encoder: float [B, C, H, W] in [0, 1] → `Latent`.
        decoder: float [B, L] → float [B, C, H, W] in [0, 1].
        variational: Whether the encoder gives a logvar.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, variational: bool = True) -> None:
        """Keep both parts."""
        super().__init__()
        self.encoder, self.decoder, self.variational = encoder, decoder, variational


def parameter_count(module: nn.Module) -> int:
    """Numbers that ``module`` learns, and the running statistics of its normalisations.

    Keras counts so too: four numbers for each normalised channel.
    """
    buffers = [b for name, b in module.named_buffers() if not name.endswith("num_batches_tracked")]
    return sum(values.numel() for values in [*module.parameters(), *buffers])

"""The variational autoencoder of this project: stride-2 stages, residual blocks, even upsampling.

image [B, C, H, W] in [0, 1] → encoder → mean, logvar [B, L]
z [B, L] → decoder → image [B, C, H, W] in [0, 1]
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from training.models.blocks import SLOPE, Residual, Upsample, convolution, upsampling
from training.models.network import Latent, Network

LOGVAR_LIMIT = 10.0
"""The log-variance is clamped to ±10: beyond, exp() is noise or nothing."""


RESIDUAL_SIDE = 16
"""Maps up to this size can afford a residual block; larger ones get one convolution."""


class Encoder(nn.Module):
    """Stride-2 convolutions down to a small map, then two linear heads."""

    def __init__(
        self, *, channels: int, size: int, widths: tuple[int, ...], residual: int, latent: int
    ) -> None:
        """One stride-2 stage per width; ``residual`` blocks before the last stage."""
        super().__init__()
        stages: list[nn.Module] = []
        inputs = channels
        for stage, width in enumerate(widths):
            if stage == len(widths) - 1:
                stages += [Residual(inputs) for _ in range(residual)]
            stages.append(convolution(inputs, width, stride=2))
            inputs = width
        self.features = nn.Sequential(*stages, nn.Flatten())
        side = size >> len(widths)
        self.head = nn.Linear(widths[-1] * side * side, 2 * latent)

    def forward(self, image: Tensor) -> Latent:
        """Float [B, C, H, W] in [0, 1] → mean, logvar [B, L]."""
        # In mixed precision too, KL and directions are computed from full floats.
        mean, logvar = self.head(self.features(2 * image - 1)).float().chunk(2, dim=1)
        return Latent(mean, logvar.clamp(-LOGVAR_LIMIT, LOGVAR_LIMIT))


class Decoder(nn.Module):
    """A linear layer to a small map, then one doubling per width, the last one to pixels."""

    def __init__(
        self, *, channels: int, size: int, widths: tuple[int, ...], residual: int, latent: int
    ) -> None:
        """The encoder's stages backwards; ``residual`` blocks after the first doubling."""
        super().__init__()
        side = size >> len(widths)
        stages: list[nn.Module] = [
            nn.Linear(latent, widths[-1] * side * side),
            nn.Unflatten(1, (widths[-1], side, side)),
            nn.LeakyReLU(SLOPE),
        ]
        for inputs, width in pairwise(reversed(widths)):
            stages.append(upsampling(inputs, width))
            side *= 2
            if width == widths[-2]:
                stages += [Residual(width) for _ in range(residual)]
            elif side <= RESIDUAL_SIDE:
                stages.append(Residual(width))
            else:
                stages.append(convolution(width, width))
        stages.append(Upsample(widths[0], channels, bias=True))
        self.stages = nn.Sequential(*stages)

    def forward(self, latent: Tensor) -> Tensor:
        """Float [B, L] → float [B, C, H, W] in [0, 1]."""
        return torch.sigmoid(self.stages(latent).float())


class VAE(Network):
    """Encoder and decoder of one preset."""

    def __init__(
        self, *, channels: int, size: int, widths: tuple[int, ...], residual: int, latent: int
    ) -> None:
        """Networks for square images of ``size`` pixels, which ``2 ** len(widths)`` divides.

        Raises:
            ValueError: The size cannot be halved once per width.
        """
        if size % (1 << len(widths)):
            raise ValueError(
                f"images of {size} pixels cannot be halved {len(widths)} times (widths {widths}); "
                f"take a multiple of {1 << len(widths)} or fewer widths"
            )
        super().__init__(
            Encoder(channels=channels, size=size, widths=widths, residual=residual, latent=latent),
            Decoder(channels=channels, size=size, widths=widths, residual=residual, latent=latent),
        )

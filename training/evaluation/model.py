"""What the evaluation sees of a model: arrays in, arrays out.

images uint8 [N, H, W, C] → encode → mean, logvar [N, L] · latents [N, L] → decode → images

1. Row i of a result belongs to row i of the argument, whatever the batches inside.
2. A plain autoencoder has no log-variance, and says None rather than zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from bundle.pixels import to_grey_levels
from training.batches import to_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

BATCH = 128


class Model(Protocol):
    """An encoder and a decoder over arrays."""

    latent: int
    """L, the number of latents."""

    def encode(self, images: UInt8) -> tuple[Float32, Float32 | None]:
        """uint8 [N, H, W, C] → mean, logvar float32 [N, L]; no logvar: a plain autoencoder."""

    def decode(self, latents: Float32) -> UInt8:
        """float32 [N, L] → uint8 [N, H, W, C]."""

    def decode_unit(self, latents: Float32) -> Float32:
        """float32 [N, L] → float32 [N, H, W, C] in [0, 1], not rounded where that can be had."""


class NetworkModel:
    """A trained network as a `Model`.

    Args:
        network: With ``encoder`` (float [B, C, H, W] in [0, 1] → mean, logvar) and ``decoder``
            (float [B, L] → float [B, C, H, W] in [0, 1]), in evaluation mode.
        latent: L.
        batch: Images in one pass.
    """

    def __init__(self, network: nn.Module, latent: int, *, batch: int = BATCH) -> None:
        """Keep the network; its device is that of its weights."""
        self.latent = latent
        self._encoder: Any = network.encoder
        self._decoder: Any = network.decoder
        self._batch = batch
        weight = next(network.parameters(), None)
        self._device = torch.device("cpu") if weight is None else weight.device

    @torch.inference_mode()
    def encode(self, images: UInt8) -> tuple[Float32, Float32 | None]:
        """See `Model.encode`."""
        means: list[Float32] = []
        logvars: list[Float32] = []
        for rows in self._parts(len(images)):
            pixels = torch.from_numpy(np.ascontiguousarray(images[rows])).permute(0, 3, 1, 2)
            latent = self._encoder(to_unit(pixels.to(self._device)))
            means.append(latent.mean.float().cpu().numpy())
            if latent.logvar is not None:
                logvars.append(latent.logvar.float().cpu().numpy())
        return np.concatenate(means), np.concatenate(logvars) if logvars else None

    def decode(self, latents: Float32) -> UInt8:
        """See `Model.decode`."""
        return to_grey_levels(self.decode_unit(latents))

    @torch.inference_mode()
    def decode_unit(self, latents: Float32) -> Float32:
        """See `Model.decode_unit`."""
        images = [
            _channels_last(self._decoder(torch.from_numpy(latents[rows]).to(self._device)))
            for rows in self._parts(len(latents))
        ]
        return np.concatenate(images)

    def _parts(self, count: int) -> Iterator[slice]:
        return (slice(start, start + self._batch) for start in range(0, max(count, 1), self._batch))


def _channels_last(image: Tensor) -> Float32:
    pixels: Float32 = image.float().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return pixels

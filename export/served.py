"""Graphs where a network is expected: figures and pictures of what is served, not of what learnt.

    image float [B, C, H, W] in [0, 1] → grey levels uint8 → encoder.onnx → `Latent`
    latent float [B, L] → decoder.onnx before its rounding → image float [B, C, H, W] in [0, 1]

Nothing can be learnt through it. Images must be those of whole grey levels; others are rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bundle.pixels import GREY_LEVELS
from training.models import Latent, Network

if TYPE_CHECKING:
    from export.graph_model import GraphModel


def served_network(model: GraphModel, *, variational: bool) -> Network:
    """The two graphs of ``model`` as a network."""
    return Network(_Encoder(model), _Decoder(model), variational=variational)


class _Encoder(nn.Module):
    def __init__(self, model: GraphModel) -> None:
        super().__init__()
        self._model = model

    def forward(self, image: Tensor) -> Latent:
        grey = (image * float(GREY_LEVELS)).round().to(torch.uint8)
        mean, logvar = self._model.encode(grey.permute(0, 2, 3, 1).numpy())
        return Latent(torch.from_numpy(mean), None if logvar is None else torch.from_numpy(logvar))


class _Decoder(nn.Module):
    def __init__(self, model: GraphModel) -> None:
        super().__init__()
        self._model = model

    def forward(self, latent: Tensor) -> Tensor:
        return torch.from_numpy(self._model.decode_unit(latent.numpy())).permute(0, 3, 1, 2)

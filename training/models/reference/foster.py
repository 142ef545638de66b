"""The networks of Foster, "Generative Deep Learning", 2nd edition, chapter 3.

grey 32 × 32 → 32, 64, 128 channels, each half as large → 2 latents → back     (3.1, 3.2)
colour 32 × 32 or 64 × 64 → equal channels down to 2 × 2 → 200 latents → back  (3.3)
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from training.models.keras_layers import (
    LEAK,
    DoublingConvTranspose2d,
    HalvingConv2d,
    flat_normalisation,
    keras_initial_values,
    normalisation,
)
from training.models.network import Network
from training.models.reference.parts import Decoder, Encoder

FASHION_WIDTHS = (32, 64, 128)
FASHION_MAP = 4
FACES_MAP = 2


def fashion(latent: int, *, variational: bool) -> Network:
    """Three convolutions down, three up, for images of 32 × 32 × 1."""
    features = FASHION_WIDTHS[-1] * FASHION_MAP**2
    down: list[nn.Module] = []
    for inputs, outputs in pairwise((1, *FASHION_WIDTHS)):
        down += [HalvingConv2d(inputs, outputs), nn.ReLU()]
    up: list[nn.Module] = [
        nn.Linear(latent, features),
        nn.Unflatten(1, (FASHION_WIDTHS[-1], FASHION_MAP, FASHION_MAP)),
    ]
    for inputs, outputs in pairwise((FASHION_WIDTHS[-1], *reversed(FASHION_WIDTHS))):
        up += [DoublingConvTranspose2d(inputs, outputs), nn.ReLU()]
    up.append(nn.Conv2d(FASHION_WIDTHS[0], 1, 3, padding=1))
    network = Network(
        Encoder(
            nn.Sequential(*down, nn.Flatten()),
            features,
            latent,
            head="logvar" if variational else "none",
        ),
        Decoder(nn.Sequential(*up)),
        variational=variational,
    )
    keras_initial_values(network)
    return network


def faces(latent: int, *, channels: int, stages: int) -> Network:
    """``stages`` normalised convolutions of ``channels`` down to 2 × 2, and up again to colour."""
    features = channels * FACES_MAP**2
    down: list[nn.Module] = []
    up: list[nn.Module] = [
        nn.Linear(latent, features),
        flat_normalisation(features),
        nn.LeakyReLU(LEAK),
        nn.Unflatten(1, (channels, FACES_MAP, FACES_MAP)),
    ]
    for stage in range(stages):
        inputs = channels if stage else 3
        down += [HalvingConv2d(inputs, channels), normalisation(channels), nn.LeakyReLU(LEAK)]
        up += [
            DoublingConvTranspose2d(channels, channels),
            normalisation(channels),
            nn.LeakyReLU(LEAK),
        ]
    # With stride 1 and 'same' a transposed convolution pads evenly, in Keras as here.
    up.append(nn.ConvTranspose2d(channels, 3, 3, padding=1))
    network = Network(
        Encoder(nn.Sequential(*down, nn.Flatten()), features, latent, head="logvar"),
        Decoder(nn.Sequential(*up)),
    )
    keras_initial_values(network)
    return network

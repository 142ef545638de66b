"""The two MNIST networks of Chollet, "Deep Learning with Python".

grey 28 × 28 → convolutions → dense → 2 latents → dense → transposed convolutions → grey 28 × 28
"""

from __future__ import annotations

from torch import nn

from training.models.keras_layers import (
    DoublingConvTranspose2d,
    HalvingConv2d,
    keras_initial_values,
)
from training.models.network import Network
from training.models.reference.parts import Decoder, Encoder


def first_edition(latent: int) -> Network:
    """Section 8.4 of the first edition: four convolutions, one of which halves."""
    side, channels, features = 14, 64, 32
    body = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        HalvingConv2d(32, channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(channels * side**2, features),
        nn.ReLU(),
    )
    back = nn.Sequential(
        nn.Linear(latent, channels * side**2),
        nn.ReLU(),
        nn.Unflatten(1, (channels, side, side)),
        DoublingConvTranspose2d(channels, 32),
        nn.ReLU(),
        nn.Conv2d(32, 1, 3, padding=1),
    )
    network = Network(Encoder(body, features, latent, head="logvar"), Decoder(back))
    keras_initial_values(network)
    return network


def second_edition(latent: int) -> Network:
    """Chapter 12 of the second edition, 17 of the third: two convolutions, both halve."""
    side, channels, features = 7, 64, 16
    body = nn.Sequential(
        HalvingConv2d(1, 32),
        nn.ReLU(),
        HalvingConv2d(32, channels),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(channels * side**2, features),
        nn.ReLU(),
    )
    back = nn.Sequential(
        nn.Linear(latent, channels * side**2),
        nn.ReLU(),
        nn.Unflatten(1, (channels, side, side)),
        DoublingConvTranspose2d(channels, channels),
        nn.ReLU(),
        DoublingConvTranspose2d(channels, 32),
        nn.ReLU(),
        nn.Conv2d(32, 1, 3, padding=1),
    )
    network = Network(Encoder(body, features, latent, head="logvar"), Decoder(back))
    keras_initial_values(network)
    return network

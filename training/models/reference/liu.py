"""The networks of Liu, "Learn Generative AI with PyTorch", chapter 7.

    grey 28 × 28 → 200 → 20 latents → 200 → grey 28 × 28                    (plain autoencoder)
    colour 256 × 256 → 32 maps of 31 × 31 → 1024 → 100 latents → back        (VAE)

Initial values are PyTorch's own, as in the book.
"""

from __future__ import annotations

from torch import nn

from training.models.network import Network
from training.models.reference.parts import Decoder, Encoder

MNIST_SHAPE = (1, 28, 28)
MNIST_HIDDEN = 200
GLASSES_MAP = (32, 31, 31)
GLASSES_FEATURES = 30_752
GLASSES_HIDDEN = 1024


def mnist(latent: int) -> Network:
    """Two linear layers each way, without a logvar."""
    pixels = 28 * 28
    body = nn.Sequential(nn.Flatten(), nn.Linear(pixels, MNIST_HIDDEN), nn.ReLU())
    back = nn.Sequential(
        nn.Linear(latent, MNIST_HIDDEN),
        nn.ReLU(),
        nn.Linear(MNIST_HIDDEN, pixels),
        nn.Unflatten(1, MNIST_SHAPE),
    )
    return Network(
        Encoder(body, MNIST_HIDDEN, latent, head="none"), Decoder(back), variational=False
    )


def glasses(latent: int) -> Network:
    """Three convolutions and a wide dense layer each way; the second head is log σ."""
    body = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(GLASSES_FEATURES, GLASSES_HIDDEN),
        nn.ReLU(),
    )
    back = nn.Sequential(
        nn.Linear(latent, GLASSES_HIDDEN),
        nn.ReLU(),
        nn.Linear(GLASSES_HIDDEN, GLASSES_FEATURES),
        nn.ReLU(),
        nn.Unflatten(1, GLASSES_MAP),
        nn.ConvTranspose2d(32, 16, 3, stride=2, output_padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=1),
    )
    return Network(Encoder(body, GLASSES_HIDDEN, latent, head="log_sigma"), Decoder(back))

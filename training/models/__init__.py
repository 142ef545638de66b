"""Networks: building blocks, the VAE made of them, and those of the text-books."""

from training.models.build import build_network, check_network
from training.models.network import Latent, Network, parameter_count
from training.models.vae import VAE

__all__ = ["VAE", "Latent", "Network", "build_network", "check_network", "parameter_count"]

"""Networks: building blocks that export to plain convolutions, and the VAE made of them."""

from training.models.vae import VAE, Latent

__all__ = ["VAE", "Latent"]

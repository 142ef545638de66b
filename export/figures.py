"""Rate and distortion of a network on held-out images, and the means that directions come from.

images uint8 [N, H, W, C] → encoder → mean, logvar [N, L] → decoder of the mean → PSNR, MSE, KL
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from training.batches import ordered_loader, to_unit
from training.objective import kl_divergence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data import Dataset
    from training.models import Network

BATCH = 256
ACTIVE_VARIANCE = 0.01
"""A latent is active if its mean varies by more than this (Burda, Grosse, Salakhutdinov 2015)."""


@torch.no_grad()
def encoder_means(network: Network, data: Dataset, count: int) -> NDArray[np.float32]:
    """The means of the first ``count`` images of ``data`` (all, if there are fewer): [N, L]."""
    means: list[NDArray[np.float32]] = []
    for pixels, _ in ordered_loader(data, BATCH):
        if len(means) * BATCH >= count:
            break
        means.append(network.encoder(to_unit(pixels)).mean.numpy())
    return np.concatenate(means)[:count]


@torch.no_grad()
def held_out_figures(network: Network, data: Dataset) -> dict[str, float]:
    """Figures on ``data``; every mean is over images.

    Returns:
        ``psnr`` (dB, per image, then averaged), ``mse`` (of unit values), ``kl`` (nats; not of a
        plain autoencoder), ``active_units`` (latents), ``images``.
    """
    psnr, mse, kl, means = [], [], [], []
    for pixels, _ in ordered_loader(data, BATCH):
        image = to_unit(pixels)
        latent = network.encoder(image)
        error = (network.decoder(latent.mean) - image).square().mean(dim=(1, 2, 3))
        psnr.append(-10.0 * error.log10())
        mse.append(error)
        kl.append(kl_divergence(latent))
        means.append(latent.mean)
    figures = {
        "psnr": round(float(torch.cat(psnr).mean()), 3),
        "mse": round(float(torch.cat(mse).mean()), 6),
        "active_units": int((torch.cat(means).var(dim=0) > ACTIVE_VARIANCE).sum()),
        "images": len(data),
    }
    if network.variational:
        figures["kl"] = round(float(torch.cat(kl).mean()), 2)
    return figures

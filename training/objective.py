"""The parts of the objectives, in nats per image.

    image, reconstruction → squared error → likelihood at its best σ      (rate–distortion: D)
    mean, logvar → KL to N(0, I)                                          (R)
    image, reconstruction → cross-entropy or squared error of each image  (text-books)

σ-VAE (Rybkin, Daniilidis, Levine 2021): with σ² at its optimum, the batch's own mean squared
error, the Gaussian likelihood of D values is D/2 · log MSE plus a constant. There is no weight
to tune between likelihood and KL.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from training.models.network import Latent

MSE_FLOOR = math.exp(-12.0)
"""σ never falls below exp(-6) (about half a grey level): there the likelihood would explode."""


PROBABILITY_FLOOR = 1e-7


def kl_divergence(latent: Latent) -> Tensor:
    """KL of N(mean, exp(logvar)) from N(0, I) in nats, float [B].

    ½ Σ (exp(logvar) + mean² - 1 - logvar), summed over latents (Kingma and Welling 2013, app. B).
    The point of a plain autoencoder has no such distance: 0.
    """
    mean, logvar = latent
    if logvar is None:
        return mean.new_zeros(len(mean))
    return 0.5 * (logvar.exp() + mean.square() - 1.0 - logvar).sum(dim=1)


def calibrated_nll(mean_squared_error: Tensor, values: int) -> Tensor:
    """Negative log-likelihood in nats of ``values`` values at the best shared σ, scalar.

    ``values``/2 · (log MSE + log 2π + 1) with σ² = MSE.
    """
    floored = mean_squared_error.clamp_min(MSE_FLOOR)
    return 0.5 * values * (floored.log() + math.log(2 * math.pi) + 1.0)


def cross_entropy(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Cross-entropy of grey levels in nats, summed over each image, float [B].

    On grey levels it is no likelihood: its least value is not 0 but the entropy of the image
    itself. Compare it only with itself. Probabilities are kept within 1e-7 of 0 and 1, as in
    Keras.
    """
    with torch.autocast(image.device.type, enabled=False):
        chances = reconstruction.float().clamp(PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
        each = F.binary_cross_entropy(chances, image.float(), reduction="none")
    return each.sum(dim=(1, 2, 3))


def squared_error(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Squared error of unit values, summed over each image, float [B]."""
    return (reconstruction - image).square().sum(dim=(1, 2, 3))


def reconstruction_nll(
    image: Tensor,
    reconstruction: Tensor,
    *,
    pixel_weights: Tensor,
    features: Sequence[tuple[Tensor, Tensor]] = (),
    feature_weight: float = 0.0,
    pool: Callable[[Tensor], Tensor] = lambda error: error,
) -> Tensor:
    """Calibrated likelihood of pixels, mixed with that of features, nats per image, scalar.

    Args:
        image: float [B, C, H, W] in [0, 1].
        reconstruction: Of the same shape.
        pixel_weights: float [H, W], mean 1: what each place counts for.
        features: Pairs of maps of image and reconstruction; each has a σ of its own.
        feature_weight: Share of the nats that the features speak for, in [0, 1].
        pool: Makes a mean squared error that of the whole batch, where this is a part of it.
    """
    values = image[0].numel()
    error = (reconstruction - image).square().mean(dim=(0, 1))
    nll = calibrated_nll(pool((error * pixel_weights).mean()), values)
    if not features or feature_weight == 0.0:
        return nll
    errors = [pool((mine - true).square().mean()) for true, mine in features]
    feature_nll = torch.stack([calibrated_nll(mse, values) for mse in errors]).mean()
    return (1.0 - feature_weight) * nll + feature_weight * feature_nll

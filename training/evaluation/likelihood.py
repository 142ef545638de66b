"""How likely held-out images are under a VAE, in nats and bits, by two bounds.

image → q(z|x) = N(mean, exp(logvar)) → draws z → decoder → Gaussian of one σ → two bounds

1. The density is over [0, 1] with uniform dequantisation: grey level x stands for (x + u) / 256,
   u in [0, 1). So a density of nats becomes bits per value by adding 8.
2. σ is one number, measured on images that are not reported on.
3. Both are bounds from above on -log p(x); more draws give the tighter one (Burda, Grosse and
   Salakhutdinov 2015).

A plain autoencoder has no q(z|x), and no likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bundle.pixels import GREY_LEVELS, to_unit
from training.evaluation.bootstrap import Estimate, estimate, image_weights
from training.evaluation.reconstruction import cross_entropy, squared_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from training.data.progress import Progress
    from training.data.rows import Images
    from training.evaluation.model import Model

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

LEVELS = GREY_LEVELS + 1
CHUNK_VALUES = 1 << 22
"""Values of decoded images that are held at once, about."""


@dataclass(frozen=True)
class Likelihood:
    """Held-out figures of a VAE; nats are of one image, summed over its values.

    Attributes:
        images: How many.
        sigma: Standard deviation of the decoder's Gaussian, of values in [0, 1].
        kl: KL of q(z|x) from N(0, I): the rate.
        negative_elbo: Bound with one draw; a density, so it may be below 0.
        bits_per_value: The same as bits for each value of an 8-bit image.
        tight_images: How many of the images the tighter bound was computed for.
        tight_draws: Draws of the tighter bound.
        tight_negative_elbo: -ELBO of these images, mean over these draws.
        tight_bound: The importance-weighted bound on the same images and draws.
        tight_bits_per_value: The same as bits for each value.
        draw_mse: Squared error of an image decoded from a draw, mean over its values.
        draw_cross_entropy: Its cross-entropy in nats; no likelihood, for comparison with
            objectives that train with it.
    """

    images: int
    sigma: float
    kl: Estimate
    negative_elbo: Estimate
    bits_per_value: float
    tight_images: int
    tight_draws: int
    tight_negative_elbo: Estimate
    tight_bound: Estimate
    tight_bits_per_value: float
    draw_mse: Estimate
    draw_cross_entropy: Estimate


def measure_likelihood(
    model: Model,
    test: Images,
    calibration: Images,
    *,
    tight_images: int,
    tight_draws: int,
    draws: int,
    seed: int,
    progress: Progress,
) -> Likelihood | None:
    """Both bounds for ``test``; None if the model has no log-variance.

    Args:
        model: Its pixels should not be rounded.
        test: uint8 [N, H, W, C], reported on.
        calibration: uint8 [M, H, W, C], others, on which σ is measured.
        tight_images: So many of the first are given the tighter bound.
        tight_draws: K of the tighter bound.
        draws: Of the bootstrap.
        seed: Of the draws, the dequantisation and the bootstrap.
        progress: Called with (images done, images in all).
    """
    rng = np.random.default_rng(seed)
    sigma = calibrated_sigma(model, calibration, rng)
    if sigma is None:
        return None
    values = math.prod(test.shape[1:])
    tight = min(tight_images, len(test))
    total = len(test) + tight
    rows: list[tuple[Float64, ...]] = []
    for images in _chunks(test, CHUNK_VALUES // values):
        mean, logvar = _encoded(model, images)
        rebuilt = model.decode_unit(_draw(mean, logvar, rng.standard_normal(mean.shape)))
        kl = kl_to_normal(mean, logvar)
        nll = gaussian_nll(dequantised(images, rng), rebuilt, sigma)
        unit = to_unit(images)
        errors = squared_error(unit, rebuilt), cross_entropy(unit, rebuilt)
        rows.append((kl, kl + nll, *errors))
        progress(sum(len(row[0]) for row in rows), total)
    weighted: list[Float64] = []
    for images in _chunks(test[:tight], CHUNK_VALUES // (values * tight_draws)):
        weighted.append(log_weights(model, images, sigma, draws=tight_draws, rng=rng))
        progress(len(test) + sum(map(len, weighted)), total)
    kl, elbo, mse, entropy = (np.concatenate(column) for column in zip(*rows, strict=True))
    logs = np.concatenate(weighted)
    few = image_weights(tight, draws, rng)
    all_ = image_weights(len(test), draws, rng)
    bound = estimate(few @ importance_bound(logs))
    negative_elbo = estimate(all_ @ elbo)
    return Likelihood(
        images=len(test),
        sigma=sigma,
        kl=estimate(all_ @ kl),
        negative_elbo=negative_elbo,
        bits_per_value=bits_per_value(negative_elbo.value, values),
        tight_images=tight,
        tight_draws=tight_draws,
        tight_negative_elbo=estimate(few @ -logs.mean(axis=1)),
        tight_bound=bound,
        tight_bits_per_value=bits_per_value(bound.value, values),
        draw_mse=estimate(all_ @ mse),
        draw_cross_entropy=estimate(all_ @ entropy),
    )


def calibrated_sigma(model: Model, images: Images, rng: np.random.Generator) -> float | None:
    """The σ that makes ``images`` likeliest under draws; None for a plain autoencoder.

    Root of the mean squared error between dequantised images and those decoded from one draw each
    (the optimum of σ-VAE, Rybkin, Daniilidis and Levine 2021, section 3).
    """
    squared, count = 0.0, 0
    for part in _chunks(images, CHUNK_VALUES // math.prod(images.shape[1:])):
        mean, logvar = model.encode(part)
        if logvar is None:
            return None
        rebuilt = model.decode_unit(_draw(mean, logvar, rng.standard_normal(mean.shape)))
        error = dequantised(part, rng) - centred(rebuilt)
        squared, count = squared + float((error**2).sum()), count + error.size
    return math.sqrt(squared / count)


def log_weights(
    model: Model, images: UInt8, sigma: float, *, draws: int, rng: np.random.Generator
) -> Float64:
    """``log p(x, z) - log q(z|x)`` for ``draws`` of z for each image, float64 [N, K], nats."""
    mean, logvar = _encoded(model, images)
    noise = rng.standard_normal((len(images), draws, mean.shape[1]))
    latents = _draw(mean[:, None], logvar[:, None], noise)
    target = np.repeat(dequantised(images, rng), draws, axis=0)
    rebuilt = model.decode_unit(latents.reshape(-1, mean.shape[1]))
    log_likelihood = -gaussian_nll(target, rebuilt, sigma).reshape(len(images), draws)
    # log N(z; 0, I) - log N(z; mean, exp(logvar)): the constants are the same.
    ratio = 0.5 * (noise**2 + logvar[:, None] - latents.astype(np.float64) ** 2).sum(axis=2)
    return np.asarray(log_likelihood + ratio, np.float64)


def importance_bound(logs: Float64) -> Float64:
    """``-log`` of the mean weight of each row of float64 [N, K], float64 [N]."""
    return np.asarray(math.log(logs.shape[1]) - logsumexp(logs, axis=1), np.float64)


def gaussian_nll(target: Float64, rebuilt: Float32, sigma: float) -> Float64:
    """``-log N(target; centred(rebuilt), σ² I)`` summed over values, float64 [N]."""
    error = (target - centred(rebuilt)).reshape(len(target), -1)
    squared = np.einsum("nd,nd->n", error, error)
    return np.asarray(
        0.5 * squared / sigma**2 + error.shape[1] * (math.log(sigma) + 0.5 * math.log(2 * math.pi))
    )


def kl_to_normal(mean: Float32, logvar: Float32) -> Float64:
    """KL of N(mean, exp(logvar)) from N(0, I), nats, summed over latents, float64 [N]."""
    return np.asarray(kl_per_latent(mean, logvar).sum(axis=1), np.float64)


def kl_per_latent(mean: Float32, logvar: Float32) -> Float64:
    """``½ (exp(logvar) + mean² - 1 - logvar)``, float64 [N, L] (Kingma and Welling 2013, B)."""
    m, v = mean.astype(np.float64), logvar.astype(np.float64)
    return np.asarray(0.5 * (np.exp(v) + m**2 - 1.0 - v), np.float64)


def bits_per_value(nats: float, values: int) -> float:
    """Nats of a density over [0, 1] for ``values`` values → bits for each 8-bit value."""
    return nats / (values * math.log(2)) + math.log2(LEVELS)


def dequantised(images: UInt8, rng: np.random.Generator) -> Float64:
    """Grey level x → (x + u) / 256 with u uniform in [0, 1), float64 of the same shape."""
    return np.asarray((images + rng.random(images.shape)) / LEVELS, np.float64)


def centred(unit: Float32) -> Float64:
    """Values in [0, 1] → where `dequantised` puts that grey level on average, float64."""
    return np.asarray((unit.astype(np.float64) * GREY_LEVELS + 0.5) / LEVELS, np.float64)


def _draw(mean: Float32, logvar: Float32, noise: Float64) -> Float32:
    return np.asarray(mean + np.exp(0.5 * logvar) * noise, np.float32)


def _encoded(model: Model, images: UInt8) -> tuple[Float32, Float32]:
    mean, logvar = model.encode(images)
    if logvar is None:
        raise ValueError("a plain autoencoder has no log-variance, and no likelihood")
    return mean, logvar


def _chunks(images: Images, size: int) -> Iterator[UInt8]:
    for start in range(0, len(images), max(size, 1)):
        yield np.asarray(images[start : start + max(size, 1)])

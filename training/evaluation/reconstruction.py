"""How much of an image a model gives back, image by image.

images uint8, rebuilt float32 [N, H, W, C] → PSNR, MSE, SSIM, sharpness, cross-entropy, [N] each

1. PSNR is of each image, then averaged: the PSNR of the averaged error would be lower.
2. Cross-entropy on grey levels is no likelihood: it compares with other cross-entropies only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bundle.pixels import to_grey_levels, to_unit
from training.evaluation.bootstrap import Estimate, divided, estimate, image_weights
from training.evaluation.extractors import shrunk
from training.evaluation.similarity import MAX_PSNR, RADIUS, ssim

if TYPE_CHECKING:
    from collections.abc import Iterable


UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

CERTAIN = 1e-7
"""Probabilities are kept so far from 0 and 1, as Keras does in its cross-entropy."""


@dataclass(frozen=True)
class Reconstruction:
    """Held-out figures of images that were encoded, their means decoded.

    Attributes:
        images: How many.
        psnr: dB, of each image, then averaged; at most 60.
        mse: Of unit values, mean over all of them.
        ssim: Window 11, σ 1.5; None for images smaller than the window.
        sharpness: Variance of the Laplacian of rebuilt images, over that of the real ones: 1 is
            as sharp, below is blurred.
        cross_entropy: Of grey levels with the rebuilt ones as probabilities, in nats an image.
        cross_entropy_per_value: The same, over the number of values.
        judged_psnr: PSNR at the size at which images are judged, if that is another.
    """

    images: int
    psnr: Estimate
    mse: Estimate
    ssim: Estimate | None
    sharpness: Estimate
    cross_entropy: Estimate
    cross_entropy_per_value: float
    judged_psnr: Estimate | None


@dataclass(frozen=True)
class Errors:
    """Figures of each image, float64 [N]; ``ssim`` and ``judged_mse`` may be empty."""

    mse: Float64
    cross_entropy: Float64
    edges: Float64
    rebuilt_edges: Float64
    ssim: Float64
    judged_mse: Float64


def compare(images: UInt8, rebuilt: Float32, judged: tuple[int, int]) -> Errors:
    """The figures of each image.

    Args:
        images: uint8 [N, H, W, C].
        rebuilt: float32 [N, H, W, C] in [0, 1].
        judged: (height, width) at which images are judged.
    """
    unit, grey = to_unit(images), to_grey_levels(rebuilt)
    same, none = images.shape[1:3] == judged, np.zeros(0)
    return Errors(
        mse=squared_error(unit, rebuilt),
        cross_entropy=cross_entropy(unit, rebuilt),
        edges=edge_energy(unit),
        rebuilt_edges=edge_energy(rebuilt),
        ssim=none
        if min(images.shape[1:3]) <= 2 * RADIUS
        else np.asarray(ssim(images, grey), np.float64),
        judged_mse=none
        if same
        else squared_error(to_unit(shrunk(images, judged)), to_unit(shrunk(grey, judged))),
    )


def summarise(parts: Iterable[Errors], *, values: int, draws: int, seed: int) -> Reconstruction:
    """Means over all images, with their intervals.

    Args:
        parts: Of `compare`, one after the other.
        values: H · W · C.
        draws: Of the bootstrap.
        seed: Of the bootstrap.
    """
    listed = list(parts)
    errors = {
        name: np.concatenate([getattr(part, name) for part in listed])
        for name in Errors.__dataclass_fields__
    }
    count = len(errors["mse"])
    weights = image_weights(count, draws, np.random.default_rng(seed))

    def mean(figures: Float64) -> Estimate:
        return estimate(weights @ figures)

    return Reconstruction(
        images=count,
        psnr=mean(decibels(errors["mse"])),
        mse=mean(errors["mse"]),
        ssim=mean(errors["ssim"]) if len(errors["ssim"]) else None,
        sharpness=estimate(divided(weights @ errors["rebuilt_edges"], weights @ errors["edges"])),
        cross_entropy=mean(errors["cross_entropy"]),
        cross_entropy_per_value=float(errors["cross_entropy"].mean() / values),
        judged_psnr=mean(decibels(errors["judged_mse"])) if len(errors["judged_mse"]) else None,
    )


def squared_error(unit: Float32, rebuilt: Float32) -> Float64:
    """Mean over the values of each image, float64 [N]."""
    error = (unit - rebuilt).reshape(len(unit), -1)
    total = np.einsum("nd,nd->n", error, error, dtype=np.float64)
    return np.asarray(total / error.shape[1], np.float64)


def decibels(mse: Float64) -> Float64:
    """PSNR of squared errors of unit values, at most `MAX_PSNR`."""
    return np.asarray(-10.0 * np.log10(np.maximum(mse, 10.0 ** (-MAX_PSNR / 10))), np.float64)


def cross_entropy(unit: Float32, rebuilt: Float32) -> Float64:
    """``-Σ x log y + (1 - x) log (1 - y)`` of each image in nats, float64 [N]."""
    y = np.clip(rebuilt, CERTAIN, 1.0 - CERTAIN)
    values = unit * np.log(y) + (1.0 - unit) * np.log1p(-y)
    return np.asarray(-values.reshape(len(unit), -1).sum(axis=1, dtype=np.float64))


def edge_energy(unit: Float32) -> Float64:
    """Variance of the Laplacian over the inner pixels, mean over channels, float64 [N]."""
    inner = unit[:, 1:-1, 1:-1]
    beside = unit[:, 1:-1, :-2] + unit[:, 1:-1, 2:]
    edges = 4.0 * inner - beside - unit[:, :-2, 1:-1] - unit[:, 2:, 1:-1]
    return np.asarray(edges.var(axis=(1, 2), dtype=np.float64).mean(axis=1), np.float64)

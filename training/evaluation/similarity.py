"""How alike two images are, pixel by pixel, one number for each pair.

uint8 [N, H, W, C] twice → SSIM [N], PSNR [N]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

RADIUS = 5
SIGMA = 1.5
MAX_PSNR = 60.0
"""dB that two images are said to have when rounding alone parts them, or nothing does."""


def ssim(first: UInt8, second: UInt8) -> Float32:
    """Structural similarity (Wang et al. 2004), window 11, σ 1.5, mean over pixels and channels.

    Args:
        first: uint8 [N, H, W, C], larger than the window on both sides.
        second: The same shape.

    Returns:
        float32 [N], 1 for equal images.
    """
    x, y = (image.astype(np.float32) / np.float32(255.0) for image in (first, second))
    mean_x, mean_y = _smooth(x), _smooth(y)
    variance = _smooth(x * x) - mean_x**2 + _smooth(y * y) - mean_y**2
    covariance = _smooth(x * y) - mean_x * mean_y
    small, large = 0.01**2, 0.03**2
    likeness = (2 * mean_x * mean_y + small) * (2 * covariance + large)
    likeness /= (mean_x**2 + mean_y**2 + small) * (variance + large)
    inner = likeness[:, RADIUS:-RADIUS, RADIUS:-RADIUS]
    return np.asarray(inner.mean(axis=(1, 2, 3)), np.float32)


def psnr(first: UInt8, second: UInt8) -> Float32:
    """Peak signal to noise of each pair in dB, float32 [N], at most `MAX_PSNR`."""
    difference = first.astype(np.float32) - second.astype(np.float32)
    error = (difference**2).mean(axis=(1, 2, 3)) / 255.0**2
    decibels = -10.0 * np.log10(np.maximum(error, 1e-12))
    return np.asarray(np.minimum(decibels, MAX_PSNR), np.float32)


def _smooth(image: Float32) -> Float32:
    places = np.arange(-RADIUS, RADIUS + 1)
    kernel = np.exp(-0.5 * (places / SIGMA) ** 2)
    kernel /= kernel.sum()
    return np.asarray(correlate1d(correlate1d(image, kernel, axis=1), kernel, axis=2))

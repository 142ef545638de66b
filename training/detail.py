"""Where attributes show: a weight for each pixel, read from the labels.

images [N, H, W, C], labels [N, A] → |mean with − mean without| per attribute → weights [H, W]

Glasses and mouths are a few pixels, and a plain mean over all pixels hardly feels them. Each
attribute gets the same share of the extra weight, however few its pixels are. On photos that
are not aligned the differences wash out, and the weights come out nearly even.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.rows import Images

MAX_IMAGES = 10_000
"""So many images, spread evenly over the set, are enough to see where attributes show."""
CHUNK = 64
"""Images in memory at a time."""


def pixel_weights(images: Images, labels: NDArray[np.bool_], share: float) -> NDArray[np.float32]:
    """Weights float32 [H, W] with mean 1.

    Args:
        images: uint8 [N, H, W, C].
        labels: bool [N, A]; attributes that all or none have are passed over.
        share: Part of the weight in [0, 1] that follows the attributes; the rest is even.
    """
    height, width = images.shape[1:3]
    places = np.unique(np.linspace(0, len(images) - 1, min(len(images), MAX_IMAGES)).astype(int))
    labels = labels[places]
    labels = labels[:, labels.any(axis=0) & ~labels.all(axis=0)]
    everyone, positives = _sums(images, places, labels)
    counts = labels.sum(axis=0)
    maps = []
    for count, positive in zip(counts, positives, strict=True):
        negative = (everyone - positive) / (len(labels) - count)
        difference = np.abs(positive / count - negative).mean(axis=-1)
        if difference.mean() > 0:
            maps.append(difference / difference.mean())
    if not maps:
        return np.ones((height, width), np.float32)
    weights = (1.0 - share) + share * np.mean(maps, axis=0)
    return np.asarray(weights / weights.mean(), np.float32)


def _sums(
    images: Images, places: NDArray[np.intp], labels: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of the images at ``places`` [H, W, C], and of those with each attribute [A, H, W, C]."""
    shape = images.shape[1:]
    everyone = np.zeros(shape)
    positives = np.zeros((labels.shape[1], *shape))
    for start in range(0, len(places) if labels.size else 0, CHUNK):
        # Whole numbers this small are added in single precision without a rounding error.
        chunk = images[places[start : start + CHUNK]].reshape(-1, *shape).astype(np.float32)
        everyone += chunk.sum(axis=0)
        positives += np.tensordot(labels[start : start + CHUNK].T.astype(np.float32), chunk, 1)
    return everyone, positives

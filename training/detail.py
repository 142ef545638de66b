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


def pixel_weights(
    images: NDArray[np.uint8], labels: NDArray[np.bool_], share: float
) -> NDArray[np.float32]:
    """Weights float32 [H, W] with mean 1.

    Args:
        images: uint8 [N, H, W, C].
        labels: bool [N, A]; attributes that all or none have are passed over.
        share: Part of the weight in [0, 1] that follows the attributes; the rest is even.
    """
    height, width = images.shape[1:3]
    maps = []
    for column in labels.T:
        if column.all() or not column.any():
            continue
        difference = np.abs(_mean(images[column]) - _mean(images[~column])).mean(axis=-1)
        if difference.mean() > 0:
            maps.append(difference / difference.mean())
    if not maps:
        return np.ones((height, width), np.float32)
    weights = (1.0 - share) + share * np.mean(maps, axis=0)
    return np.asarray(weights / weights.mean(), np.float32)


def _mean(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(images.mean(axis=0, dtype=np.float64))

"""What reads features out of images for the Fréchet distances: a judge, or a network of chance.

images uint8 [N, H, W, C] → box-shrunk to the judged size → features float32 [N, F]

A distance is named after its extractor, FD-judge or FD-random: without the weights of the
customary Inception network it is not "FID", and no figure of another paper compares with it.
Two extractors are asked, since a model could have learnt to please one: the judge knows what the
attributes need; the network of chance knows nothing, and sees colours, edges and where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch.nn import functional as F

from bundle.pixels import to_grey_levels
from training.batches import to_unit
from training.evaluation.judges import features
from training.judged import shrink

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from training.evaluation.judges import JudgePair

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

RANDOM_WIDTHS = (32, 64, 128)
RANDOM_FEATURES = 128
RANDOM_SEED = 2013
"""The network of chance is the same for everyone: its distances may be compared across runs."""
BATCH = 128
_CELLS = 4
_SLOPE = 0.2


@dataclass(frozen=True)
class Extractor:
    """A named reader of features.

    Attributes:
        name: ``judge`` or ``random``.
        size: F.
        read: uint8 [N, H, W, C] → float32 [N, F].
    """

    name: str
    size: int
    read: Callable[[UInt8], Float32]


def judge_extractor(judges: JudgePair) -> Extractor:
    """What the first judge's last layer reads."""
    return Extractor("judge", judges.first.weights.shape[1], lambda x: features(judges.first, x))


def random_extractor(channels: int, shape: tuple[int, int]) -> Extractor:
    """Three convolutions with random weights, the means of 4 × 4 cells, a random projection.

    Args:
        channels: C.
        shape: (height, width) that images are shrunk to first.
    """
    rng = np.random.default_rng(RANDOM_SEED)
    kernels = []
    inputs = channels
    for width in RANDOM_WIDTHS:
        # Keeps the size of the signal from layer to layer (He et al. 2015, eq. 10).
        scale = np.sqrt(2.0 / (9 * inputs))
        kernel = scale * rng.standard_normal((width, inputs, 3, 3))
        kernels.append(torch.from_numpy(kernel.astype(np.float32)))
        inputs = width
    basis = np.linalg.qr(rng.standard_normal((inputs * _CELLS**2, RANDOM_FEATURES)))[0]
    projection = torch.from_numpy(basis.astype(np.float32))

    @torch.inference_mode()
    def read(images: UInt8) -> Float32:
        found = [np.empty((0, RANDOM_FEATURES), np.float32)]
        for start in range(0, len(images), BATCH):
            x = 2.0 * shrink(_tensor(images[start : start + BATCH]), shape) - 1.0
            for kernel in kernels:
                x = F.leaky_relu(F.conv2d(x, kernel, stride=2, padding=1), _SLOPE)
            cells = F.adaptive_avg_pool2d(x, _CELLS).flatten(1)
            found.append((cells @ projection).numpy())
        return np.concatenate(found)

    return Extractor("random", RANDOM_FEATURES, read)


def shrunk(images: UInt8, shape: tuple[int, int]) -> UInt8:
    """uint8 [N, H, W, C] → uint8 [N, *shape, C]: the mean of each box, rounded."""
    if images.shape[1:3] == shape:
        return images
    return to_grey_levels(shrink(_tensor(images), shape).permute(0, 2, 3, 1).numpy())


def blurred(images: UInt8, sigma: float) -> UInt8:
    """Gaussian blur of uint8 [N, H, W, C] by ``sigma`` pixels, border pixels repeated."""
    unit = images.astype(np.float32)
    for axis in (1, 2):
        unit = gaussian_filter1d(unit, sigma, axis=axis, mode="nearest")
    return np.asarray(np.rint(unit), np.uint8)


def _tensor(images: UInt8) -> Tensor:
    return to_unit(torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2))

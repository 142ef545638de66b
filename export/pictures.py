"""The pictures of a bundle: what it does, on held-out images.

samples.png: originals over reconstructions · draws from the prior · each attribute off and on
strip.png: an original, its reconstruction, one attribute slid in
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from training.batches import ordered_loader, to_unit
from training.sheets import tile, to_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bundle import Prior
    from training.data import Dataset
    from training.models import Network

COLUMNS = 12
SAMPLE_ROWS = 2
MAX_ATTRIBUTES = 12
STRIP_SCALE = 2
STRIP_STEPS = 5
STRIP_ROWS = 3


@torch.no_grad()
def samples_picture(
    network: Network, test: Dataset, directions: NDArray[np.float32], prior: Prior
) -> bytes:
    """PNG bytes: two rows of originals and reconstructions, two of samples, one per attribute.

    In an attribute's row every pair of columns is one face, at strength -1 and at 1 where that
    changes what it has: without it on the left, with it on the right.
    """
    pixels, labels = next(iter(ordered_loader(test, 256)))
    image = to_unit(pixels)
    means = network.encoder(image).mean
    rng = np.random.default_rng(1)
    count = SAMPLE_ROWS * COLUMNS
    drawn = prior.sample(
        rng.random(count), rng.standard_normal((count, prior.dimension), np.float32)
    )
    samples = to_images(network.decoder(torch.from_numpy(drawn)))
    rows = [to_images(image[:COLUMNS]), to_images(network.decoder(means[:COLUMNS]))]
    rows += [samples[row * COLUMNS : (row + 1) * COLUMNS] for row in range(SAMPLE_ROWS)]
    for index in range(min(len(directions), MAX_ATTRIBUTES)):
        step = torch.from_numpy(directions[index])
        has = labels[: COLUMNS // 2, index, None]
        pair = torch.stack(
            (means[: len(has)] - has * step, means[: len(has)] + (1 - has) * step), 1
        )
        rows.append(to_images(network.decoder(pair.flatten(0, 1))))
    return _png(tile(rows))


@torch.no_grad()
def strip_picture(network: Network, test: Dataset, directions: NDArray[np.float32]) -> bytes:
    """PNG bytes: for some attributes one row, an image without it as it was, rebuilt, slid to it.

    Columns: original, reconstruction, then strengths 0.25 to 1.
    """
    pixels, labels = next(iter(ordered_loader(test, 256)))
    image = to_unit(pixels)
    strengths = torch.linspace(0.0, 1.0, STRIP_STEPS)[:, None]
    rows = []
    for index in range(min(len(directions), STRIP_ROWS)):
        without = torch.nonzero((labels[:, index] == 0) & (labels.sum(dim=1) <= 1)).flatten()
        if not len(without):
            continue
        chosen = image[without[index % len(without)]][None]
        mean = network.encoder(chosen).mean
        slid = network.decoder(mean + strengths * torch.from_numpy(directions[index]))
        rows.append(to_images(torch.cat((chosen, slid))))
    if not rows:
        rows = [to_images(torch.cat((image[:1], network.decoder(network.encoder(image[:1]).mean))))]
    return _png(tile(rows, scale=STRIP_SCALE))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

"""Contact sheets: what a network does, as one picture.

rows of uint8 [N, H, W, C] → one uint8 [h, w, 3] → PNG
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bundle.pixels import to_grey_levels
from bundle.prior import Prior
from training.flips import flipped

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.module import VAEModule

GAP = 2
COLUMNS = 16


def tile(rows: list[NDArray[np.uint8]], *, scale: int = 1) -> NDArray[np.uint8]:
    """Rows of images uint8 [N, H, W, C] below each other on white, uint8 [h, w, 3]."""
    height, width = rows[0].shape[1:3]
    columns = max(len(row) for row in rows)
    sheet = np.full(
        (len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8
    )
    for line, row in enumerate(rows):
        for column, image in enumerate(row):
            y, x = line * (height + GAP), column * (width + GAP)
            sheet[y : y + height, x : x + width] = image
    return sheet.repeat(scale, axis=0).repeat(scale, axis=1)


def to_images(unit: Tensor) -> NDArray[np.uint8]:
    """Float [B, C, H, W] in [0, 1] → uint8 [B, H, W, C]."""
    return to_grey_levels(unit.detach().float().permute(0, 2, 3, 1).cpu().numpy())


@torch.no_grad()
def sheet(module: VAEModule, image: Tensor, labels: Tensor) -> NDArray[np.uint8]:
    """Originals, reconstructions, samples and known shifts of each attribute, uint8 [h, w, 3].

    Args:
        module: In evaluation mode.
        image: float [B, C, H, W] in [0, 1] on the module's device; a few hundred.
        labels: float [B, A].
    """
    network = module.network
    means = network.encoder(image).mean
    latents = means.float().cpu().numpy()
    prior = Prior.gaussian(latents)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2 * COLUMNS, prior.dimension), np.float32)
    samples = torch.from_numpy(prior.sample(np.zeros(2 * COLUMNS), noise)).to(means)
    some = min(COLUMNS, len(image))
    rows = [to_images(image[:some]), to_images(network.decoder(means[:some]))]
    rows += list(to_images(network.decoder(samples)).reshape(2, COLUMNS, *rows[0].shape[1:]))
    shifts = module.known_shifts()
    if shifts is not None:
        directions, label_rows = shifts
        for attribute in range(labels.shape[1]):
            which = torch.full((some,), attribute, device=labels.device)
            tie_break = torch.zeros((some, len(label_rows)), device=labels.device)
            target = flipped(labels[:some], which, label_rows, tie_break)
            moved = means[:some] + (target - labels[:some]) @ directions
            rows.append(to_images(network.decoder(moved)))
    return tile(rows)


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write uint8 [h, w, 3] as a PNG file, its folder made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, optimize=True)

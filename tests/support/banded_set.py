"""An image set that fits the tiny bundle: bands of grey whose levels are the labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tests.support.pictures import pictures
from tests.support.tiny_bundle import ATTRIBUTES, banded_image

if TYPE_CHECKING:
    from training.data import Dataset


def banded_set(
    count: int, *, seed: int = 0, side: int = 16, channels: int = 3, attributes: int = 2
) -> Dataset:
    """``glasses`` have a bright top band, ``smile`` a bright bottom band; the middle varies.

    Args:
        count: Images.
        seed: Another seed, other images.
        side: Pixels.
        channels: 1 or 3.
        attributes: So many of the two labels.
    """
    rng = np.random.default_rng(seed)
    levels = rng.integers(40, 200, (count, 4))
    labels = rng.random((count, 2)) < 0.5
    levels[:, 0] = np.where(labels[:, 0], 230, levels[:, 0] // 2)
    levels[:, 3] = np.where(labels[:, 1], 230, levels[:, 3] // 2)
    images = [
        banded_image(row.tolist(), height=side, width=side, channels=channels) for row in levels
    ]
    return replace(
        pictures(count),
        name="bands",
        images=np.stack(images),
        attributes=ATTRIBUTES[:attributes],
        labels=labels[:, :attributes],
    )

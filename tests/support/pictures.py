"""Procedural pictures with known factors, for training that takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bundle.manifest import ImageSpec
from training.data import load
from training.data.dataset import Dataset
from training.data.packed import write_packed
from training.data.report import ProblemLog
from training.data.split import assign
from training.presets import Preset
from training.run import train

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ATTRIBUTES = ("bar", "bright")
TINY = Preset(
    name="tiny",
    summary="for tests",
    image=ImageSpec(height=16, width=16, channels=1, resize="box", crop="centre"),
    latent=4,
    widths=(8, 16),
    epochs=2,
    least_steps=0,
    batch_size=32,
    judge_epochs=1,
    judge_least_steps=0,
    shift_focus=0.5,
)


def pictures(count: int, *, size: int = 16, seed: int = 0) -> Dataset:
    """Grey squares of random place: ``bar`` draws a white bar, ``bright`` lights the ground."""
    rng = np.random.default_rng(seed)
    labels = rng.random((count, 2)) < 0.5
    images = np.empty((count, size, size, 1), np.uint8)
    for image, (bar, bright) in zip(images, labels, strict=True):
        image[:] = 140 if bright else 30
        x, y = rng.integers(1, size - 6, 2)
        image[y : y + 5, x : x + 5] = 80 + int(rng.integers(0, 20))
        if bar:
            image[size - 3 : size - 1, 2:-2] = 255
    keys = tuple(f"picture-{index:05d}" for index in range(count))
    return Dataset(
        name="pictures",
        licence="CC0-1.0",
        images=images,
        keys=keys,
        attributes=ATTRIBUTES,
        labels=np.asarray(labels, dtype=np.bool_),
        splits=assign(keys),
        problems=ProblemLog().freeze(),
    )


def without_labels(data: Dataset) -> Dataset:
    """The same pictures, nothing known of them."""
    empty: NDArray[np.bool_] = np.zeros((len(data), 0), np.bool_)
    return Dataset(
        name=data.name,
        licence=data.licence,
        images=data.images,
        keys=data.keys,
        attributes=(),
        labels=empty,
        splits=data.splits,
        problems=data.problems,
    )


def pack(path: Path, data: Dataset) -> None:
    """Write ``data`` as a packed set into the folder ``path``."""
    write_packed(
        path,
        images=data.images,
        keys=data.keys,
        attributes=data.attributes,
        labels=data.labels,
        name=data.name,
        licence=data.licence,
    )


def finished_run(root: Path, data: Dataset, preset: Preset = TINY) -> Path:
    """A run of ``preset`` on ``data``, which is packed into ``root/data``; its folder."""
    pack(root / "data", data)
    packed = load(root / "data", preset.image)
    train(preset, packed, root / "run", source=str(root / "data"), accelerator="cpu")
    return root / "run"

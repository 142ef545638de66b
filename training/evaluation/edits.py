"""Runs the model for the shift figures: each image is decoded once and read by both judges.

test images → means → reconstructions, verdicts · means + s·direction → images → verdicts, likeness

Pictures are looked at in chunks and forgotten; what stays is a few numbers for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.evaluation.extractors import shrunk
from training.evaluation.judges import verdicts
from training.evaluation.similarity import psnr, ssim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from training.data import Dataset
    from training.evaluation.judges import JudgePair
    from training.evaluation.model import Model

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Rows = NDArray[np.intp]

CHUNK = 256
SMALL = 16
"""Longer side at which images are compared by their pixels alone."""


class Verdicts(NamedTuple):
    """What one judge says of N images: logits float32 [N, A], features float32 [N, F]."""

    logits: Float32
    features: Float32


@dataclass(frozen=True)
class Sample:
    """Test images before anything is shifted; row i is the same image throughout.

    Attributes:
        labels: bool [N, A].
        means: float32 [N, L], where shifts begin.
        rebuilt: uint8 [N, H, W, C], the decoded means: what shifted images are compared with.
        again: float32 [N, L], the means of ``rebuilt``.
        small: uint8 [N, D], ``rebuilt`` shrunk to a side of at most `SMALL`.
        real_small: The same of the images themselves.
        real: What each judge says of the images themselves.
        shown: What each judge says of ``rebuilt``.
    """

    labels: NDArray[np.bool_]
    means: Float32
    rebuilt: UInt8
    again: Float32
    small: UInt8
    real_small: UInt8
    real: tuple[Verdicts, Verdicts]
    shown: tuple[Verdicts, Verdicts]


@dataclass(frozen=True)
class Likeness:
    """What N shifted images still have of their reconstructions.

    Attributes:
        small: uint8 [N, D], the shifted images, shrunk likewise.
        ssim: float32 [N], structural similarity of the two.
        round_trip: float32 [N], PSNR in dB between the reconstruction and the shifted image that
            was encoded and shifted back.
        consistency: float32 [N], how far along the direction the encoder sees the shifted image
            moved; 1 is the whole strength.
    """

    small: UInt8
    ssim: Float32
    round_trip: Float32
    consistency: Float32


def take_sample(model: Model, judges: JudgePair, test: Dataset, rows: Rows) -> Sample:
    """Encode, rebuild and judge the images ``rows`` of ``test``."""
    images = np.asarray(test.images[rows])
    means = model.encode(images)[0]
    rebuilt = model.decode(means)
    return Sample(
        labels=test.labels[rows],
        means=means,
        rebuilt=rebuilt,
        again=model.encode(rebuilt)[0],
        small=_small(rebuilt),
        real_small=_small(images),
        real=_both(judges, images),
        shown=_both(judges, rebuilt),
    )


def shifted(
    model: Model, judges: JudgePair, sample: Sample, rows: Rows, move: Float32
) -> tuple[Verdicts, Verdicts]:
    """What the judges say of ``D(mean + move)`` for these rows; ``move`` float32 [L]."""
    parts = [_both(judges, model.decode(sample.means[some] + move)) for some in _chunks(rows)]
    return _joined(judges, sample, parts)


def shifted_closely(
    model: Model, judges: JudgePair, sample: Sample, rows: Rows, move: Float32
) -> tuple[tuple[Verdicts, Verdicts], Likeness]:
    """The same, and how like their reconstructions the images stay."""
    parts: list[tuple[Verdicts, Verdicts]] = []
    likeness: list[tuple[UInt8, Float32, Float32, Float32]] = []
    for some in _chunks(rows):
        images, rebuilt = model.decode(sample.means[some] + move), sample.rebuilt[some]
        parts.append(_both(judges, images))
        found = model.encode(images)[0]
        length = max(float(move @ move), 1e-12)
        progress = np.asarray((found - sample.again[some]) @ move / length, np.float32)
        back = model.decode(found - move)
        likeness.append((_small(images), ssim(rebuilt, images), psnr(rebuilt, back), progress))
    none = np.zeros(0, np.float32)
    likeness = likeness or [(sample.small[:0], none, none, none)]
    columns = (np.concatenate(column) for column in zip(*likeness, strict=True))
    return _joined(judges, sample, parts), Likeness(*columns)


def _both(judges: JudgePair, images: UInt8) -> tuple[Verdicts, Verdicts]:
    return Verdicts(*verdicts(judges.first, images)), Verdicts(*verdicts(judges.second, images))


def _small(images: UInt8) -> UInt8:
    height, width = images.shape[1:3]
    scale = min(1.0, SMALL / max(height, width))
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    return shrunk(images, shape).reshape(len(images), -1)


def _joined(
    judges: JudgePair, sample: Sample, parts: list[tuple[Verdicts, Verdicts]]
) -> tuple[Verdicts, Verdicts]:
    parts = parts or [_both(judges, sample.rebuilt[:0])]
    first, second = (
        Verdicts(*(np.concatenate(arrays) for arrays in zip(*of_one, strict=True)))
        for of_one in zip(*parts, strict=True)
    )
    return first, second


def _chunks(rows: Rows) -> Iterator[Rows]:
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))

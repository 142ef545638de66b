"""Pictures drawn from known factors, a model that inverts the drawing, judges that read it exactly.

factors [N, 6] → latents = factors · M → decode: picture [16, 16, 3]; encode: looks the picture up

Every factor has pixels of its own: a bar on top ("glasses"), the corners of the shape ("round"),
a ring around it ("large"), its hue ("red"), and below it the place and light of a dot, which no
label tells of. So an attribute's true direction is its row of M, and what every figure of a shift
must be is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from training.data import Dataset
from training.data.report import ProblemLog
from training.data.split import assign
from training.evaluation.judges import Judge, JudgePair

if TYPE_CHECKING:
    from numpy.typing import NDArray

ATTRIBUTES = ("glasses", "round", "large", "red")
SIDE = 16
LATENT = 6
MIX = np.random.default_rng(5).normal(size=(LATENT, LATENT)) + 3.0 * np.eye(LATENT)
"""M: from factors to latents."""
FEATURES = 32


def draw(factors: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Pictures uint8 [N, 16, 16, 3] of factors [N, 6]: four attributes, place, light."""
    glasses, square, large, red, place, light = (x[:, None, None, None] for x in factors.T)
    square = 1.0 - square
    image = np.full((len(factors), SIDE, SIDE, 3), 0.2)
    image[:, :3] += 0.5 * glasses
    image[:, 4:12, 4:12] = 0.2 + 0.5 * large
    shape = np.concatenate((0.2 + 0.6 * red, 0.4 + 0 * red, 0.8 - 0.6 * red), axis=3)
    image[:, 5:11, 5:11] = shape
    for corner in ((5, 5), (5, 9), (9, 5), (9, 9)):
        image[:, corner[0] : corner[0] + 2, corner[1] : corner[1] + 2] = 0.2 + 0.7 * square
    columns = np.arange(SIDE)[None, None, :, None]
    dot = np.clip(1.0 - np.abs(columns - 8.0 - 2.5 * place) / 3.0, 0.0, 1.0)
    image[:, 13:] += dot * np.clip(0.4 + 0.15 * light, 0.1, 0.8)
    return np.rint(255.0 * image.clip(0.0, 1.0)).astype(np.uint8)


class ExactModel:
    """Latents are the factors in other coordinates; it knows the pictures that it has drawn."""

    latent = LATENT

    def __init__(self) -> None:
        """Nothing was drawn yet."""
        self._known: dict[bytes, NDArray[np.float32]] = {}

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        images = draw(latents.astype(np.float64) @ np.linalg.inv(MIX))
        for image, latent in zip(images, latents, strict=True):
            self._known.setdefault(image.tobytes(), latent)
        return images

    def decode_unit(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.decode(latents).astype(np.float32) / 255

    def encode(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
        found = [self._known[image.tobytes()] for image in images]
        return np.array(found, np.float32).reshape(-1, LATENT), None


def factor_set(
    model: ExactModel, count: int, *, seed: int, agreement: float = 0.5
) -> tuple[Dataset, NDArray[np.float32]]:
    """A set drawn by ``model`` and its latents float32 [N, 6].

    Args:
        model: Will know the pictures.
        count: N.
        seed: Of the factors.
        agreement: How often "round" says the same as "glasses": 0.9 is a correlation of 0.8.
    """
    rng = np.random.default_rng(seed)
    labels = rng.random((count, len(ATTRIBUTES))) < 0.5
    same = rng.random(count) < agreement
    labels[:, 1] = np.where(same, labels[:, 0], ~labels[:, 0])
    return _drawn(model, labels, rng, seed)


def class_set(model: ExactModel, count: int, *, seed: int) -> tuple[Dataset, NDArray[np.float32]]:
    """The same with one attribute each, in turn: four classes."""
    labels = np.eye(len(ATTRIBUTES), dtype=np.bool_)[np.arange(count) % len(ATTRIBUTES)]
    return _drawn(model, labels, np.random.default_rng(seed), seed)


def _drawn(
    model: ExactModel, labels: NDArray[np.bool_], rng: np.random.Generator, seed: int
) -> tuple[Dataset, NDArray[np.float32]]:
    count = len(labels)
    factors = np.concatenate((labels, rng.normal(size=(count, 2)).clip(-2, 2)), axis=1)
    latents = (factors @ MIX).astype(np.float32)
    keys = tuple(f"picture-{seed}-{index:05d}" for index in range(count))
    data = Dataset(
        name="factors",
        licence="CC0-1.0",
        images=model.decode(latents),
        keys=keys,
        attributes=ATTRIBUTES,
        labels=np.asarray(labels, np.bool_),
        splits=assign(keys),
        problems=ProblemLog().freeze(),
    )
    return data, latents


def true_directions() -> NDArray[np.float32]:
    """float32 [4, 6]: what each attribute adds, and nothing else."""
    return MIX[: len(ATTRIBUTES)].astype(np.float32)


class Reading(nn.Module):
    """Stands where a judge's network does: logits that are exact in each factor.

    Args:
        seed: Of the features beside the four readings.
        verdict: ``exact``; ``yes`` or ``no`` to everything; ``inclined`` to say yes to everything,
            though more firmly where it is true; or ``random``, of each image its own.
    """

    def __init__(self, seed: int, verdict: str = "exact") -> None:
        """Choose what the features are."""
        super().__init__()
        self.verdict = verdict
        generator = torch.Generator().manual_seed(seed)
        self.mix = torch.randn(3 * SIDE * 3, FEATURES - len(ATTRIBUTES), generator=generator)
        last = nn.Linear(FEATURES, len(ATTRIBUTES))
        slope, offset = {
            "exact": (20.0, -10.0),
            "yes": (0.0, 5.0),
            "no": (0.0, -5.0),
            "inclined": (1.0, 5.0),
            "random": (20.0, 0.0),
        }[verdict]
        with torch.no_grad():
            last.weight.zero_()
            last.weight[:, : len(ATTRIBUTES)] = slope * torch.eye(len(ATTRIBUTES))
            last.bias.fill_(offset)
        self.head = nn.Sequential(nn.Identity(), last).requires_grad_(requires_grad=False)

    def features(self, image: Tensor) -> list[Tensor]:
        read = torch.stack(
            (
                (image[:, 0, 1, 1] - 0.2) / 0.5,
                1 - (image[:, 0, 5, 5] - 0.2) / 0.7,
                (image[:, 0, 4, 4] - 0.2) / 0.5,
                (image[:, 0, 7, 7] - 0.2) / 0.6,
            ),
            dim=1,
        )
        rest = (image[:, :, 13:] - 0.3).flatten(1) @ self.mix
        if self.verdict == "random":
            return [torch.sin(1e4 * torch.cat((rest[:, :4], rest), dim=1))]
        return [torch.cat((read, rest), dim=1)]


def reading_judges(first: str = "exact", second: str = "exact") -> JudgePair:
    """Two judges that read the factors; each may be spoilt."""
    one, other = (
        Judge(Reading(seed, verdict), (SIDE, SIDE))  # type: ignore[arg-type]  # stands in
        for seed, verdict in enumerate((first, second))
    )
    return JudgePair(one, other, side=SIDE)

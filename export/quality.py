"""How well each attribute does on held-out images, by a judge that the training never met.

test images → means → ± direction → decoder → the reporting judge's verdict → shares per attribute

The judge is taught here, on real training images only, with another seed and other widths than
the one that training used: a shift cannot have been fitted to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from training.batches import ordered_loader, to_unit
from training.flips import common_rows, flipped
from training.judge import Judge, balanced_accuracy, teach

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training.data import Dataset
    from training.models import VAE

WIDTHS = (32, 64, 128)
BATCH = 128
MAX_IMAGES = 1000
STRENGTHS = (0.5, 1.0, 1.5, 2.0)
OTHERS_KEPT = 0.95
"""A strength is useful while at least this share of the other attributes' verdicts stays."""


@dataclass(frozen=True)
class AttributeQuality:
    """Held-out figures of one attribute; shares in [0, 1].

    Attributes:
        judged: Balanced accuracy of the judge on real images: what the others can reach.
        kept: The same on reconstructions.
        added: Share of images without it that show it at strength 1.
        removed: Share of images with it that no longer show it at strength -1.
        others_kept: Share of the other attributes' verdicts that stay, at both.
        useful_range: Strengths up to which `OTHERS_KEPT` holds.
    """

    judged: float
    kept: float
    added: float
    removed: float
    others_kept: float
    useful_range: tuple[float, float]

    def figures(self) -> dict[str, float]:
        """The numbers for the manifest."""
        names = ("judged", "kept", "added", "removed", "others_kept")
        return {name: round(float(getattr(self, name)), 4) for name in names}


def reporting_judge(training: Dataset, *, seed: int, steps: int) -> Judge:
    """A judge taught on ``training`` for ``steps`` batches."""
    height, width, channels = training.images.shape[1:]
    torch.manual_seed(seed)
    judge = Judge(
        channels=channels,
        height=height,
        width=width,
        attributes=len(training.attributes),
        widths=WIDTHS,
    )
    teach(judge, training, batch_size=min(BATCH, len(training)), steps=steps, seed=seed)
    return judge


@torch.no_grad()
def attribute_quality(
    network: VAE,
    directions: NDArray[np.float32],
    judge: Judge,
    training: Dataset,
    test: Dataset,
) -> list[AttributeQuality]:
    """Figures of every attribute on at most `MAX_IMAGES` images of ``test``.

    Args:
        network: In evaluation mode, on the CPU.
        directions: float32 [A, L].
        judge: From `reporting_judge`.
        training: Tells which labels occur together: who puts on sunglasses takes the glasses
            off, and the shift that is judged does both.
        test: Held-out images; attributes in the order of the directions.
    """
    pixels, labels = next(iter(ordered_loader(test, MAX_IMAGES)))
    image, truth = to_unit(pixels), labels.bool()
    means = network.encoder(image).mean
    real = balanced_accuracy(judge(image), labels)
    verdict = judge(network.decoder(means)) > 0
    kept = balanced_accuracy(verdict.float() - 0.5, labels)
    rows = torch.from_numpy(common_rows(training.labels)).float()
    rows_of = torch.from_numpy(directions)
    results = []
    for index in range(truth.shape[1]):
        which = torch.full((len(labels),), index)
        target = flipped(labels, which, rows, torch.zeros(len(labels), len(rows)))
        move = (target - labels) @ rows_of
        outcome: dict[tuple[bool, float], tuple[float, float]] = {}
        for adding in (True, False):
            # Only where the reconstruction shows what the image shows can a change be seen.
            start = (truth[:, index] != adding) & (verdict[:, index] == truth[:, index])
            for strength in STRENGTHS:
                after = judge(network.decoder(means[start] + strength * move[start])) > 0
                outcome[adding, strength] = _compare(
                    after, target[start].bool(), truth[start], index
                )
        results.append(
            AttributeQuality(
                judged=float(real[index]),
                kept=float(kept[index]),
                added=outcome[True, 1.0][0],
                removed=outcome[False, 1.0][0],
                others_kept=min(outcome[True, 1.0][1], outcome[False, 1.0][1]),
                useful_range=(
                    0.0 - _furthest([outcome[False, strength][1] for strength in STRENGTHS]),
                    _furthest([outcome[True, strength][1] for strength in STRENGTHS]),
                ),
            )
        )
    return results


def _compare(after: Tensor, target: Tensor, before: Tensor, index: int) -> tuple[float, float]:
    """(share right about attribute ``index``, share right about those that should stay)."""
    if not len(after):
        return 0.0, 0.0
    right = after == target
    stays = target == before
    stays[:, index] = False
    kept = float(right[stays].float().mean()) if stays.any() else 1.0
    return float(right[:, index].float().mean()), kept


def _furthest(stays: list[float]) -> float:
    useful = 0.0
    for strength, share in zip(STRENGTHS, stays, strict=True):
        if share < OTHERS_KEPT:
            break
        useful = strength
    return useful

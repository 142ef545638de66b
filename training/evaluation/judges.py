"""The two reporting judges: small classifiers taught here, on real training images only.

images uint8 [N, H, W, C] → box-shrunk to a side of at most 64 → logits [N, A], features [N, 128]

Their widths and seeds differ from each other and from the judge that training uses, and neither
ever sees an output of the model that they report on. While they learn, images are moved, blurred,
tinted and made noisy, so that blur is not read as an attribute. An attribute that they cannot see
on real images, or no longer on reconstructions, is not reported: `unseen` says which and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from training.batches import endless_batches, to_unit
from training.data.progress import silent
from training.judge import Judge as Network
from training.judged import SIDE, judged_shape, shrink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from training.data import Dataset
    from training.data.progress import Progress

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

WIDTHS = ((32, 64, 128), (16, 32, 64, 128))
"""Of the first and the second judge, one stage per width."""
STEPS = 400
RATE = 2e-3
"""Learning rate at its highest."""
BATCH = 128
MAX_BLUR = 1.5
"""Standard deviation of the blur at most, in pixels of an image of `SIDE`."""
MAX_WEIGHT = 20.0
"""A rare attribute's positive images weigh at most so much more than its negative ones."""
MIN_ACCURACY = 0.80
"""Balanced accuracy on real images below which an attribute is not reported."""
MAX_LOSS = 0.10
"""How much of it reconstructions may lose."""


@dataclass(frozen=True)
class Judge:
    """One judge, standing still, on the CPU.

    Attributes:
        network: In evaluation mode.
        shape: (height, width) of the images that it judges.
    """

    network: Network
    shape: tuple[int, int]

    @property
    def weights(self) -> Float64:
        """float64 [A, F]: what reads each attribute out of the features."""
        last = self.network.head[-1]
        assert isinstance(last, torch.nn.Linear)  # noqa: S101  (tells mypy what the head ends in)
        return last.weight.detach().numpy().astype(np.float64)


@dataclass(frozen=True)
class JudgePair:
    """Two judges of different widths and seeds; images are shrunk to ``side`` before judging."""

    first: Judge
    second: Judge
    side: int

    def __iter__(self) -> Iterator[Judge]:
        """The first, then the second."""
        return iter((self.first, self.second))


def teach_judges(
    training: Dataset,
    *,
    seed: int,
    steps: int = STEPS,
    mirror: bool = False,
    progress: Progress = silent,
) -> JudgePair:
    """Teach both judges.

    Args:
        training: Real training images with at least one attribute.
        seed: Of weights, order and disturbances; the second judge has the next one.
        steps: Batches of `BATCH` that each learns from.
        mirror: Show images mirrored as well, where left and right tell no attribute apart.
        progress: Called with (steps done, steps in all), both judges together.

    Raises:
        ValueError: There is no attribute, or no image.
    """
    if not training.attributes or not len(training):
        raise ValueError(
            f"judges cannot be taught on {len(training)} images with {len(training.attributes)} "
            "attributes; give a set with both"
        )
    shape = judged_shape(*training.images.shape[1:3])
    made: list[Judge] = []
    # Whatever asks torch for chance afterwards should not notice that judges were taught.
    with torch.random.fork_rng(devices=[]):
        for number, widths in enumerate(WIDTHS):
            torch.manual_seed(seed + number)
            network = _network(training, shape, widths)
            lessons = _lessons(network, training, shape, steps, seed=seed + number, mirror=mirror)
            for done in lessons:
                progress(number * steps + done, len(WIDTHS) * steps)
            network.eval().requires_grad_(False)  # noqa: FBT003  (torch's signature)
            made.append(Judge(network, shape))
    return JudgePair(first=made[0], second=made[1], side=max(shape))


@torch.no_grad()
def verdicts(judge: Judge, images: NDArray[np.uint8]) -> tuple[Float32, Float32]:
    """Logits float32 [N, A] and features float32 [N, F] of images uint8 [N, H, W, C]."""
    answers, read = [], []
    for start in range(0, len(images), BATCH):
        pixels = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH]))
        image = shrink(to_unit(pixels.permute(0, 3, 1, 2)), judge.shape)
        found = judge.network.head[:-1](judge.network.features(image)[-1])
        read.append(found)
        answers.append(judge.network.head[-1](found))
    if not answers:
        attributes, width = judge.weights.shape
        return np.zeros((0, attributes), np.float32), np.zeros((0, width), np.float32)
    return torch.cat(answers).numpy(), torch.cat(read).numpy()


def logits(judge: Judge, images: NDArray[np.uint8]) -> Float32:
    """Logits float32 [N, A] of images uint8 [N, H, W, C]; above 0 the judge says yes."""
    return verdicts(judge, images)[0]


def features(judge: Judge, images: NDArray[np.uint8]) -> Float32:
    """What the judge's last layer reads, float32 [N, 128], of images uint8 [N, H, W, C]."""
    return verdicts(judge, images)[1]


def balanced_accuracy(answers: Float32, labels: NDArray[np.bool_]) -> Float64:
    """Mean of the hit rates on positives and negatives, float64 [A]; 0.5 is guessing.

    Args:
        answers: Logits float32 [N, A].
        labels: bool [N, A]; a side without images counts as 0.
    """
    said = answers > 0
    hit = (said & labels).sum(0) / np.maximum(labels.sum(0), 1)
    rejected = (~said & ~labels).sum(0) / np.maximum((~labels).sum(0), 1)
    return np.asarray(0.5 * (hit + rejected), np.float64)


def unseen(judged: Sequence[float], kept: Sequence[float]) -> dict[int, str]:
    """Attributes on which nothing should be reported: row → reason.

    Args:
        judged: The lower judge's balanced accuracy on real images, one per attribute.
        kept: The same on reconstructions.
    """
    reasons = {}
    for row, (real, rebuilt) in enumerate(zip(judged, kept, strict=True)):
        if real < MIN_ACCURACY:
            reasons[row] = (
                f"the judges cannot see it on real images: balanced accuracy {real:.3f}, "
                f"wanted {MIN_ACCURACY}"
            )
        elif rebuilt < real - MAX_LOSS:
            reasons[row] = (
                f"it does not survive reconstruction: balanced accuracy {rebuilt:.3f} instead of "
                f"{real:.3f}, at most {MAX_LOSS} may be lost"
            )
    return reasons


def disturb(image: Tensor, generator: torch.Generator, *, mirror: bool) -> Tensor:
    """Move, blur, tint and add noise: float [B, C, H, W] → the same shape.

    All images of a batch are moved, blurred and mirrored alike; each is tinted by up to 10 % and
    made noisy in its own way.
    """
    height, width = image.shape[2:]
    side = max(height, width)
    move = max(1, round(side / 32))
    x, y = (int(v) for v in torch.randint(0, 2 * move + 1, (2,), generator=generator))
    padded = F.pad(image, (move, move, move, move), mode="replicate")
    moved = padded[:, :, y : y + height, x : x + width]
    chance, amount = torch.rand(2, generator=generator).tolist()
    if mirror and chance < 0.5:  # noqa: PLR2004 - every other time
        moved = moved.flip(3)
    moved = _blur(moved, amount * MAX_BLUR * side / SIDE)
    shape = (len(image), 1, 1, 1)
    gain = 0.9 + 0.2 * torch.rand(shape, generator=generator)
    level = 0.06 * torch.rand(shape, generator=generator)
    return moved * gain + level * torch.randn(image.shape, generator=generator)


def _blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, border pixels repeated outwards."""
    radius = int(np.ceil(2.5 * sigma))
    if radius == 0:
        return image
    places = torch.arange(-radius, radius + 1, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (places / sigma) ** 2)
    kernel = (kernel / kernel.sum()).repeat(image.shape[1], 1, 1)
    padded = F.pad(image, (radius, radius, radius, radius), mode="replicate")
    rows = F.conv2d(padded, kernel[:, :, None, :].contiguous().mT, groups=image.shape[1])
    return F.conv2d(rows, kernel[:, :, None, :], groups=image.shape[1])


def _network(training: Dataset, shape: tuple[int, int], widths: tuple[int, ...]) -> Network:
    while len(widths) > 1 and min(shape) >> len(widths) == 0:
        widths = widths[1:]
    return Network(
        channels=training.images.shape[3],
        height=shape[0],
        width=shape[1],
        attributes=len(training.attributes),
        widths=widths,
    )


def _lessons(
    network: Network,
    training: Dataset,
    shape: tuple[int, int],
    steps: int,
    *,
    seed: int,
    mirror: bool,
) -> Iterator[int]:
    """Teach ``network`` in place; says after each step how many are done."""
    batches = endless_batches(training, min(BATCH, len(training)), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    weight = _positive_weight(training.labels)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=max(steps, 2))
    network.train()
    for done, (pixels, labels) in enumerate(islice(batches, steps), start=1):
        image = disturb(shrink(to_unit(pixels), shape), generator, mirror=mirror)
        loss = F.binary_cross_entropy_with_logits(network(image), labels, pos_weight=weight)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
        schedule.step()
        yield done


def _positive_weight(labels: NDArray[np.bool_]) -> Tensor:
    """Makes yes and no weigh alike, so that a rare attribute is not simply denied; float [A]."""
    positives = labels.sum(axis=0)
    weight = (len(labels) - positives) / np.maximum(positives, 1)
    return torch.from_numpy(np.clip(weight, 1.0 / MAX_WEIGHT, MAX_WEIGHT).astype(np.float32))

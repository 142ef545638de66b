"""The ladder of priors: how far several sets of images are from the test images.

test images, sets of images → extractors → features → Fréchet, kernel distance, overlap of each

1. Every set has as many images as there are test images: a Fréchet distance depends on the number.
2. What has chance in it (samples, which training images) is done with several seeds.
3. Features are moved and scaled alike, so that those of the test images have the mean 0 and, on
   average, the variance 1: extractors differ, and judges differ each time that they are taught.
4. Training images give the floor, rebuilt ones what no prior can pass, blurred test images
   the scale. Samples minus rebuilt training images is what the prior costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.evaluation.distances import (
    NEIGHBOURS,
    frechet_distance,
    kernel_distance,
    manifold_overlap,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from training.data.progress import Progress
    from training.evaluation.distances import Overlap
    from training.evaluation.extractors import Extractor

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

SUBSETS = 100
SUBSET_SIZE = 1000
"""Of the kernel distance, at most half of the images."""
ENOUGH = 5
"""Images for each feature that a Fréchet distance should have."""


@dataclass(frozen=True)
class Source:
    """A set of images to be compared with the test images.

    Attributes:
        name: What tables call it.
        draw: Number of the seed → uint8 [N, H, W, C].
        seeds: How many are drawn; 1 where there is no chance in it.
    """

    name: str
    draw: Callable[[int], UInt8]
    seeds: int = 1


@dataclass(frozen=True)
class Rung:
    """One set beside the test images; with several seeds each figure is their mean.

    Attributes:
        name: Of the set.
        seeds: How many.
        frechet: Distance of the Gaussians with their moments.
        frechet_spread: Its standard deviation over seeds; 0 for one.
        kernel: KID, mean over subsets.
        kernel_spread: Its standard deviation over subsets.
        precision: Share of the set inside the test images' manifold.
        recall: Share of test images inside the set's.
        density: How often the set falls into it, 1 for test images themselves.
        coverage: Share of test images that the set comes near to.
    """

    name: str
    seeds: int
    frechet: float
    frechet_spread: float
    kernel: float
    kernel_spread: float
    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class Ladder:
    """All sets, by one extractor.

    Attributes:
        extractor: ``judge`` or ``random``; the distances are FD-judge and FD-random.
        features: F.
        images: In each set.
        enough: Whether there are `ENOUGH` images for each feature.
        rungs: One for each set.
    """

    extractor: str
    features: int
    images: int
    enough: bool
    rungs: tuple[Rung, ...]

    def rung(self, name: str) -> Rung | None:
        """That of the set ``name``, if it was looked at."""
        return next((rung for rung in self.rungs if rung.name == name), None)


def climb(
    extractors: Sequence[Extractor],
    real: UInt8,
    sources: Sequence[Source],
    *,
    seed: int,
    progress: Progress,
) -> tuple[Ladder, ...]:
    """Every source by every extractor.

    Args:
        extractors: Each reads every image once.
        real: Test images uint8 [N, H, W, C].
        sources: Sets of the same size.
        seed: Of the kernel distance's subsets.
        progress: Called with (sets done, sets in all).

    Raises:
        ValueError: There are not more test images than `NEIGHBOURS`.
    """
    if len(real) <= NEIGHBOURS:
        raise ValueError(
            f"samples are compared with at least {NEIGHBOURS + 1} test images, not {len(real)}"
        )
    read = [standard(extractor, real) for extractor in extractors]
    known = [features(real) for features in read]
    rungs: list[list[Rung]] = [[] for _ in extractors]
    done, total = 0, sum(source.seeds for source in sources)
    for source in sources:
        drawn: list[list[tuple[float, tuple[float, float], Overlap]]] = [[] for _ in extractors]
        for number in range(source.seeds):
            images = source.draw(number)
            for place, features in enumerate(read):
                drawn[place].append(_compare(known[place], features(images), seed=seed))
            done += 1
            progress(done, total)
        for place, found in enumerate(drawn):
            rungs[place].append(_rung(source, found))
    return tuple(
        Ladder(
            extractor=extractor.name,
            features=extractor.size,
            images=len(real),
            enough=len(real) >= ENOUGH * extractor.size,
            rungs=tuple(rows),
        )
        for extractor, rows in zip(extractors, rungs, strict=True)
    )


def standard(extractor: Extractor, real: UInt8) -> Callable[[UInt8], Float32]:
    """What reads features whose mean over ``real`` is 0, and their mean variance 1.

    Args:
        extractor: Whose features are moved and scaled.
        real: Test images uint8 [N, H, W, C].
    """
    features = extractor.read(real)
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    variance = float(features.var(axis=0, dtype=np.float64).mean())
    scale = np.float32(1.0 / np.sqrt(variance) if variance > 0.0 else 1.0)
    return lambda images: scale * (extractor.read(images) - mean)


def _compare(
    real: Float32, fake: Float32, *, seed: int
) -> tuple[float, tuple[float, float], Overlap]:
    size = min(SUBSET_SIZE, len(real) // 2)
    return (
        frechet_distance(real, fake),
        kernel_distance(real, fake, subsets=SUBSETS, size=size, rng=np.random.default_rng(seed)),
        manifold_overlap(real, fake),
    )


def _rung(source: Source, found: list[tuple[float, tuple[float, float], Overlap]]) -> Rung:
    distances = [frechet for frechet, _, _ in found]
    kernels = np.mean([kernel for _, kernel, _ in found], axis=0)
    overlap = np.mean(
        [(o.precision, o.recall, o.density, o.coverage) for _, _, o in found], axis=0
    ).tolist()
    return Rung(
        source.name,
        source.seeds,
        float(np.mean(distances)),
        float(np.std(distances, ddof=1)) if len(distances) > 1 else 0.0,
        float(kernels[0]),
        float(kernels[1]),
        *overlap,
    )

"""The sets of images that are put beside the test images: what a ladder of priors is made of.

training images · reconstructions · priors → latents → decoder · blurred test images → `Source`s

Every set has as many images as there are test images, at the judged size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.evaluation.extractors import blurred, shrunk
from training.evaluation.fidelity import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bundle.prior import Prior
    from training.data.rows import Images
    from training.evaluation.model import Model

UInt8 = NDArray[np.uint8]
Rows = NDArray[np.intp]

TRAINING = "training images"
REBUILT = "reconstructions"
BOUND = "training images, rebuilt"
FITTED = "fitted prior"
GAUSSIAN = "one Gaussian"
NORMAL = "N(0, I)"
BLURRED = "blurred by"
BLURS = (1.0, 2.0)
"""σ in pixels of the judged size."""
CHUNK = 64


def sources(
    model: Model,
    priors: Mapping[str, Prior],
    training: Images,
    test: UInt8,
    rebuilt: UInt8,
    *,
    seeds: int,
    seed: int,
) -> list[Source]:
    """All sets: training images (if there are enough), reconstructions, each prior, blurs.

    Rebuilt training images are what a prior would give that knew the means' distribution exactly.

    Args:
        model: Decodes the samples.
        priors: Name of the set → prior.
        training: uint8 [M, H, W, C], of the model's size.
        test: uint8 [N, h, w, C], of the judged size.
        rebuilt: The same after the model, at the judged size.
        seeds: Draws of what has chance in it.
        seed: Of the first.
    """
    count, shape = len(test), (test.shape[1], test.shape[2])
    found = [Source(REBUILT, lambda _: rebuilt)]
    if len(training) >= count:

        def same(images: UInt8) -> UInt8:
            return images

        def again(images: UInt8) -> UInt8:
            return model.decode(model.encode(images)[0])

        found = [
            Source(TRAINING, _drawn_from(training, count, shape, seed, same), seeds),
            *found,
            Source(BOUND, _drawn_from(training, count, shape, seed, again), seeds),
        ]
    found += [
        Source(name, _samples(model, prior, count, shape, seed), seeds)
        for name, prior in priors.items()
    ]
    found += [Source(f"{BLURRED} {sigma:g} px", _blurs(test, sigma)) for sigma in BLURS]
    return found


def choice(rng: np.random.Generator, count: int, most: int) -> Rows:
    """At most ``most`` of ``count`` rows, in order; all of them if there are no more."""
    if count <= most:
        return np.arange(count)
    return np.sort(rng.choice(count, most, replace=False))


def chunks(images: Images, rows: Rows, size: int) -> Iterator[UInt8]:
    """Those rows of ``images``, at most ``size`` at a time."""
    for start in range(0, len(rows), size):
        yield np.asarray(images[rows[start : start + size]])


def _drawn_from(
    images: Images,
    count: int,
    shape: tuple[int, int],
    seed: int,
    change: Callable[[UInt8], UInt8],
) -> Callable[[int], UInt8]:
    def draw(number: int) -> UInt8:
        rows = choice(np.random.default_rng((seed, number)), len(images), count)
        return np.concatenate([shrunk(change(part), shape) for part in chunks(images, rows, CHUNK)])

    return draw


def _samples(
    model: Model, prior: Prior, count: int, shape: tuple[int, int], seed: int
) -> Callable[[int], UInt8]:
    def draw(number: int) -> UInt8:
        rng = np.random.default_rng((seed, number))
        normal = rng.standard_normal((count, prior.dimension), np.float32)
        latents = prior.sample(rng.random(count), normal)
        parts = (latents[start : start + CHUNK] for start in range(0, count, CHUNK))
        return np.concatenate([shrunk(model.decode(part), shape) for part in parts])

    return draw


def _blurs(images: UInt8, sigma: float) -> Callable[[int], UInt8]:
    return lambda _: blurred(images, sigma)

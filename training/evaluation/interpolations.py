"""Ways between images: whether what lies between two of them looks like an image too.

pairs of means [N, L] → ways [N, steps, L] → decoder → features → how far from real ones, how even

A plain autoencoder's code has holes between images, where a variational one's should have none:
midpoints show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.data.progress import silent
from training.evaluation.bootstrap import Estimate, estimate, image_weights
from training.evaluation.distances import NEIGHBOURS, frechet_distance, manifold_overlap
from training.evaluation.ways import linear, spherical

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.data.progress import Progress
    from training.evaluation.model import Model

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

STEPS = 11
"""Points of a way, both ends included: w = 0, 0.1, …, 1."""
CHUNK = 256
WAYS = {"linear": linear, "spherical": spherical}


@dataclass(frozen=True)
class Interpolation:
    """What lies between pairs of test images.

    Attributes:
        path: ``linear`` or ``spherical``.
        pairs: How many.
        distance: Fréchet distance of the midpoints to the test images.
        distance_ends: The same of the reconstructions of each pair's first image: what no
            midpoint is expected to pass, since these images are among the test images.
        inside: Share of the midpoints inside the test images' k-NN manifold.
        inside_ends: The same of the reconstructions.
        step: Longest of a way's steps between features over their mean, averaged over ways; 1 is
            even, 10 is one jump.
        step_pairs: Ways that were gone step by step.
    """

    path: str
    pairs: int
    distance: float
    distance_ends: float
    inside: float
    inside_ends: float
    step: Estimate
    step_pairs: int


def measure_interpolation(
    model: Model,
    read: Callable[[UInt8], Float32],
    images: UInt8,
    means: Float32,
    *,
    pairs: int = 1000,
    step_pairs: int = 200,
    draws: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Interpolation, ...]:
    """Go both ways between random pairs of ``images``.

    Args:
        model: Decodes what lies between.
        read: uint8 [N, H, W, C] → features float32 [N, F].
        images: Held-out images, uint8 [N, H, W, C], more than two for each of `NEIGHBOURS`.
        means: float32 [N, L], theirs: the ends.
        pairs: How many at most; no image is an end of two.
        step_pairs: Of them, so many are gone step by step.
        draws: Of the bootstrap.
        seed: Of pairs and draws.
        progress: Called with (ways done, ways in all).

    Raises:
        ValueError: There are too few images for a neighbourhood.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    pairs = min(pairs, len(images) // 2)
    if pairs <= NEIGHBOURS:
        raise ValueError(
            f"{len(images)} images make {pairs} pairs, but more than {NEIGHBOURS} are needed; "
            "give more images"
        )
    ends = means[order[: 2 * pairs]].reshape(pairs, 2, -1)
    walked = ends[:step_pairs]
    weights = image_weights(len(walked), draws, rng)
    real, rebuilt = read(images), _features(model, read, ends[:, 0])
    distance_ends, inside_ends = _beside(real, rebuilt)
    found = []
    for path, way in WAYS.items():
        distance, inside = _beside(real, _features(model, read, way(ends, 3)[:, 1]))
        points = way(walked, STEPS).reshape(-1, model.latent)
        features = _features(model, read, points).reshape(len(walked), STEPS, -1)
        found.append(
            Interpolation(
                path=path,
                pairs=pairs,
                distance=distance,
                distance_ends=distance_ends,
                inside=inside,
                inside_ends=inside_ends,
                step=estimate(weights @ unevenness(features)),
                step_pairs=len(walked),
            )
        )
        progress(len(found), len(WAYS))
    return tuple(found)


def unevenness(features: Float32) -> NDArray[np.float64]:
    """Longest step over the mean step of each way, float64 [N]; 1 for a way that stands still.

    Args:
        features: float32 [N, steps, F].
    """
    lengths = np.linalg.norm(np.diff(features.astype(np.float64), axis=1), axis=2)
    mean = lengths.mean(axis=1)
    still = mean == 0.0
    return np.where(still, 1.0, lengths.max(axis=1) / np.where(still, 1.0, mean))


def _beside(real: Float32, made: Float32) -> tuple[float, float]:
    """Fréchet distance, and the share of ``made`` inside the manifold of ``real``."""
    return frechet_distance(made, real), manifold_overlap(real, made).precision


def _features(model: Model, read: Callable[[UInt8], Float32], latents: Float32) -> Float32:
    """Features of the decoded ``latents``, without keeping all their images."""
    parts = (latents[start : start + CHUNK] for start in range(0, len(latents), CHUNK))
    return np.concatenate([read(model.decode(part)) for part in parts])

"""Everything a report is made of, as arrays: read once from a run folder, then only looked at.

run folder, its data → network → held-out images and their mean, logvar · training means
                     → directions, prior

Knows nothing of pictures and pages. Sections take a `Material`, which any model can fill.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bundle.pixels import to_unit
from training.data import Split, load
from training.directions import ridge_directions
from training.evaluation.model import NetworkModel
from training.evaluation.reconstruction import squared_error
from training.evaluation.related import one_hot
from training.models.network import parameter_count
from training.report.curves import read_curves
from training.report.latents import LatentFigures
from training.report.plane import PLANE, Plane
from training.run import RunConfig, RunError, load_network
from training.trainer import LAST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bundle.prior import Prior
    from training.data import Dataset
    from training.evaluation.model import Model
    from training.report.curves import Series

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]
FitPrior = Callable[[Float32, int], "Prior"]
"""(means [N, L], seed) → the prior that samples are drawn from."""

SHOWN = 2_000
"""Held-out images that maps and histograms are made from, at most."""
MEANS = 4_000
"""Training images that directions and prior are fitted to, at most."""
MEASURED = 512
"""Held-out images that are rebuilt to be measured, at most."""
LEAST = 4
"""Fewer images show nothing."""

UNSEEN: Mapping[str, tuple[Split, ...]] = {
    "train": (Split.VALIDATION, Split.TEST),
    "train+validation": (Split.TEST,),
    "all": (),
}
"""What a preset learns from → parts that are new to the network."""
PART_NAMES = {Split.TEST: "test", Split.VALIDATION: "validation", Split.TRAIN: "training"}


@dataclass(frozen=True)
class Material:
    """A trained model, the images it is shown with, and what was written down of its training.

    Attributes:
        config: Of the run.
        parameters: Of the network.
        finished: When the checkpoint was written.
        curves: What the training logged, by name.
        model: The network over arrays.
        part: The part of the data set that is shown.
        unseen: Whether the network has never met it in training.
        images: uint8 [N, H, W, C].
        labels: bool [N, A].
        mean: float32 [N, L] of those images.
        logvar: float32 [N, L]; None for a plain autoencoder.
        directions: float32 [A, L]: ridge regression on the means of training images.
        prior: Fitted to the means of training images.
        fitted: How many those were.
        seed: Of everything drawn.
    """

    config: RunConfig
    parameters: int
    finished: datetime
    curves: Mapping[str, Series]
    model: Model
    part: Split
    unseen: bool
    images: UInt8
    labels: NDArray[np.bool_]
    mean: Float32
    logvar: Float32 | None
    directions: Float32
    prior: Prior
    fitted: int
    seed: int

    @property
    def attributes(self) -> tuple[str, ...]:
        """A names."""
        return self.config.attributes

    @property
    def latents(self) -> int:
        """L."""
        return int(self.mean.shape[1])

    @property
    def variational(self) -> bool:
        """Whether the encoder gives a distribution rather than a point."""
        return self.logvar is not None

    @cached_property
    def classes(self) -> bool:
        """Whether the attributes exclude each other, so that every image has exactly one."""
        return one_hot(self.labels)

    @cached_property
    def plane(self) -> Plane | None:
        """The plane of the map; None with a single latent."""
        return Plane.of(self.mean) if self.latents >= PLANE else None

    @cached_property
    def figures(self) -> LatentFigures:
        """KL and variance of each latent."""
        return LatentFigures.of(self.mean, self.logvar)

    @cached_property
    def squared_errors(self) -> NDArray[np.float64]:
        """Of the first `MEASURED` images' unit values, mean over each image, float64 [M]."""
        rebuilt = self.model.decode_unit(self.mean[:MEASURED])
        return squared_error(to_unit(self.images[:MEASURED]), rebuilt)

    def rng(self, purpose: int) -> np.random.Generator:
        """Random numbers that belong to one purpose, so that sections do not disturb each other."""
        return np.random.default_rng((self.seed, purpose))


def gather(
    run: Path,
    data_path: Path | None,
    *,
    seed: int,
    fit_prior: FitPrior,
    say: Callable[[str], object],
) -> Material:
    """Read the run in folder ``run`` and encode its images.

    Args:
        run: From `training.run.train`.
        data_path: The image set; None takes the one that the run was trained on.
        seed: Of everything drawn.
        fit_prior: Fits what samples are drawn from.
        say: Is told what is being done, a line at a time.

    Raises:
        RunError: There is no run or no checkpoint, or the data are not its own.
        DataError: The image set cannot be read.
    """
    config, module = load_network(run)
    where = data_path or Path(config.data)
    say(f"reading {where}")
    data = load(where, config.preset.image, limit=config.limit, cache=config.cache)
    if data.attributes != config.attributes:
        raise RunError(
            f"the data have attributes {data.attributes}, the run was trained with "
            f"{config.attributes}; give the folder it was trained on with --data"
        )
    part, shown = _shown(data)
    model = NetworkModel(module.network, config.preset.latent)
    say(f"encoding {len(shown)} {PART_NAMES[part]} images")
    images = np.asarray(shown.images[:])
    mean, logvar = model.encode(images)
    training = _first(data.part(Split.TRAIN), MEANS)
    say(f"encoding {len(training)} training images, fitting directions and prior")
    training_means = model.encode(np.asarray(training.images[:]))[0]
    return Material(
        config=config,
        parameters=parameter_count(module.network),
        finished=datetime.fromtimestamp((run / LAST).stat().st_mtime, UTC),
        curves=read_curves(run),
        model=model,
        part=part,
        unseen=part in UNSEEN[config.preset.learns_from],
        images=images,
        labels=shown.labels,
        mean=mean,
        logvar=logvar,
        directions=ridge_directions(training.labels, training_means),
        prior=fit_prior(training_means, seed),
        fitted=len(training),
        seed=seed,
    )


def _shown(data: Dataset) -> tuple[Split, Dataset]:
    """The first of test, validation and training part that has images to show."""
    for split in PART_NAMES:
        part = data.part(split)
        if len(part) >= LEAST:
            return split, _first(part, SHOWN)
    raise RunError(f"{data.name} has {len(data)} images; a report needs {LEAST} or more")


def _first(data: Dataset, count: int) -> Dataset:
    if len(data) <= count:
        return data
    return replace(
        data,
        images=data.images[:count],
        keys=data.keys[:count],
        labels=data.labels[:count],
        splits=data.splits[:count],
    )

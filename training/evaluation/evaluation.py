"""Everything that is measured of a model, in one call.

model, directions, prior, training and test images → reconstruction, likelihood, latents, probe,
ladders of priors, interpolation, what labels let one ask → `Evaluation`

1. Only test images are reported on. Training images teach judges and probe, fit the one Gaussian,
   set σ, and are the floor of the ladders; the model under test teaches nothing that judges it.
2. The same seed gives the same numbers.
3. What cannot be measured is named with its reason; it is never a zero.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bundle.pixels import to_grey_levels
from bundle.prior import Prior
from training.data.progress import silent
from training.evaluation.distances import NEIGHBOURS
from training.evaluation.extractors import (
    judge_extractor,
    random_extractor,
    shrunk,
)
from training.evaluation.fidelity import climb, standard
from training.evaluation.interpolations import measure_interpolation
from training.evaluation.judges import teach_judges
from training.evaluation.labelled import Case, Labelled, measure_labelled
from training.evaluation.latents import describe_latents
from training.evaluation.likelihood import measure_likelihood
from training.evaluation.options import EvaluationOptions
from training.evaluation.probe import probe
from training.evaluation.reconstruction import compare, summarise
from training.evaluation.result import Evaluation, LeftOut
from training.evaluation.rungs import FITTED, GAUSSIAN, NORMAL, TRAINING, choice, chunks, sources
from training.evaluation.similarity import RADIUS
from training.judged import judged_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from training.data import Dataset
    from training.data.progress import Progress
    from training.evaluation.extractors import Extractor
    from training.evaluation.interpolations import Interpolation
    from training.evaluation.judges import JudgePair
    from training.evaluation.model import Model
    from training.evaluation.probe import Probe
    from training.evaluation.reconstruction import Reconstruction

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

CHUNK = 64


class EvaluationError(ValueError):
    """The model and the data do not fit; the message says why and what to do."""


def quiet(_label: str) -> Progress:
    """Progress of each part that is shown nowhere."""
    return silent


def evaluate(
    model: Model,
    directions: Float32,
    prior: Prior,
    training: Dataset,
    test: Dataset,
    *,
    options: EvaluationOptions | None = None,
    progress: Callable[[str], Progress] = quiet,
    judges: JudgePair | None = None,
    shape: tuple[int, int] | None = None,
    name: str = "model",
) -> Evaluation:
    """Measure all of it.

    Args:
        model: Takes the images of both parts.
        directions: float32 [A, L], in the order of the attributes; [0, L] if there are none.
        prior: The fitted one.
        training: The training part.
        test: The held-out part, with the same attributes.
        options: How much is looked at.
        progress: Makes the progress of a part from its label.
        judges: Those to ask; taught on ``training`` if not given and there are attributes.
        shape: (height, width) at which sets of images are compared; that of the judges if not
            given.
        name: What tables call the model.

    Raises:
        EvaluationError: There are too few images, or directions, prior, parts and model do not
            agree.
    """
    options = options or EvaluationOptions()
    _check(directions, prior, model, training, test)
    rng = np.random.default_rng(options.seed)
    test = rows_of(test, choice(rng, len(test), options.count))
    others = choice(rng, len(training), options.training_images)
    images = np.asarray(test.images[:])
    if judges is None and training.attributes:
        said = progress("teaching judges")
        judges = teach_judges(training, seed=options.seed, steps=options.judge_steps, progress=said)
    if shape is None:
        shape = judges.first.shape if judges else judged_shape(*images.shape[1:3])
    said = progress("encoding images")
    mean, logvar = model.encode(images)
    training_means = _encode(model, training, others, said)
    reconstruction, rebuilt = _rebuild(
        model, images, mean, shape=shape, options=options, progress=progress("rebuilding images")
    )
    variational = logvar is not None
    likelihood = measure_likelihood(
        model,
        images,
        training.images[others[: options.calibration_images]],
        tight_images=options.tight_images,
        tight_draws=options.tight_draws,
        draws=options.draws,
        seed=options.seed,
        progress=progress("bounding likelihoods") if variational else silent,
    )
    read = probe(
        test.attributes,
        training_means,
        training.labels[others],
        mean,
        test.labels,
        draws=options.draws,
        seed=options.seed,
    )
    small = shrunk(images, shape)
    priors = {
        FITTED: prior,
        GAUSSIAN: Prior.gaussian(training_means),
        NORMAL: Prior.standard_normal(model.latent),
    }
    extractors = [random_extractor(images.shape[3], shape)]
    if judges is not None:
        extractors.insert(0, judge_extractor(judges))
    ladders = climb(
        extractors,
        small,
        sources(
            model,
            priors,
            training.images,
            small,
            rebuilt,
            seeds=options.seeds,
            seed=options.seed,
        ),
        seed=options.seed,
        progress=progress("comparing sets of images"),
    )
    between = _interpolations(
        model, images, mean, extractors[0], shape=shape, options=options, progress=progress
    )
    labelled = Labelled()
    if judges is not None and test.attributes:
        case = Case(
            model=model,
            judges=judges,
            test=test,
            means=mean,
            training_labels=training.labels,
            known_labels=training.labels[others],
            known_means=training_means,
            options=options,
            progress=progress,
        )
        labelled = measure_labelled(case, directions)
    left_out = _left_out(training, images, read, between, variational=variational)
    return Evaluation(
        model=name,
        dataset=test.name,
        image=(images.shape[1], images.shape[2], images.shape[3]),
        judged=shape,
        latent=model.latent,
        test_images=len(images),
        training_images=len(training),
        options=options,
        reconstruction=reconstruction,
        likelihood=likelihood,
        latents=describe_latents(mean, logvar, seed=options.seed),
        probe=read,
        ladders=ladders,
        shifts=labelled.shifts,
        arithmetic=labelled.arithmetic,
        interpolations=between,
        classes=labelled.classes,
        left_out=(*left_out, *labelled.left_out),
    )


def rows_of(data: Dataset, rows: NDArray[np.intp]) -> Dataset:
    """Those items of ``data``, in memory."""
    return replace(
        data,
        images=data.images[rows],
        keys=tuple(data.keys[row] for row in rows),
        labels=data.labels[rows],
        splits=data.splits[rows],
    )


def too_few(training: Dataset, test: Dataset) -> str:
    """What is missing for an evaluation; empty if nothing is."""
    if min(len(test), len(training)) > NEIGHBOURS:
        return ""
    return (
        f"{test.name} has {len(training)} training and {len(test)} test images, but at least "
        f"{NEIGHBOURS + 1} of each are needed; give a larger set"
    )


def _check(
    directions: Float32, prior: Prior, model: Model, training: Dataset, test: Dataset
) -> None:
    if few := too_few(training, test):
        raise EvaluationError(few)
    if training.attributes != test.attributes:
        raise EvaluationError(
            f"training images have attributes {training.attributes}, test images "
            f"{test.attributes}; both must come from one set"
        )
    wanted = (len(directions) and len(test.attributes), model.latent)
    if directions.shape != wanted or prior.dimension != model.latent:
        raise EvaluationError(
            f"directions {directions.shape} and a prior of {prior.dimension} latents do not agree "
            f"with {len(test.attributes)} attributes and {model.latent} latents"
        )


def _encode(model: Model, data: Dataset, rows: NDArray[np.intp], progress: Progress) -> Float32:
    means: list[Float32] = []
    for part in chunks(data.images, rows, CHUNK):
        means.append(model.encode(part)[0])
        progress(min(len(means) * CHUNK, len(rows)), len(rows))
    return np.concatenate(means)


def _rebuild(
    model: Model,
    images: UInt8,
    mean: Float32,
    *,
    shape: tuple[int, int],
    options: EvaluationOptions,
    progress: Progress,
) -> tuple[Reconstruction, UInt8]:
    """The figures, and the reconstructions at the judged size."""
    errors, rebuilt = [], []
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        unit = model.decode_unit(mean[part])
        errors.append(compare(images[part], unit, shape))
        rebuilt.append(shrunk(to_grey_levels(unit), shape))
        progress(min(start + CHUNK, len(images)), len(images))
    values = math.prod(images.shape[1:])
    figures = summarise(errors, values=values, draws=options.draws, seed=options.seed)
    return figures, np.concatenate(rebuilt)


def _interpolations(
    model: Model,
    images: UInt8,
    mean: Float32,
    extractor: Extractor,
    *,
    shape: tuple[int, int],
    options: EvaluationOptions,
    progress: Callable[[str], Progress],
) -> tuple[Interpolation, ...]:
    """In the features, and on the scale, of the first ladder; none of too few images."""
    if len(images) // 2 <= NEIGHBOURS:
        return ()
    read = standard(extractor, shrunk(images, shape))
    return measure_interpolation(
        model,
        lambda made: read(shrunk(made, shape)),
        images,
        mean,
        pairs=options.pairs,
        step_pairs=options.step_pairs,
        draws=options.draws,
        seed=options.seed,
        progress=progress("going between images"),
    )


def _left_out(
    training: Dataset,
    test: UInt8,
    read: Probe | None,
    between: tuple[Interpolation, ...],
    *,
    variational: bool,
) -> Iterator[LeftOut]:
    """All but what `measure_labelled` leaves out."""
    if not variational:
        yield LeftOut(
            what="likelihood and KL",
            why="a plain autoencoder has no log-variance, so it says no density",
        )
    if not training.attributes:
        yield LeftOut(
            what="shifts, arithmetic, probe and FD-judge",
            why="the images have no labels, so no judge can be taught",
        )
    elif read is None:
        yield LeftOut(what="probe", why="no label is both there and not there in both parts")
    if len(training) < len(test):
        yield LeftOut(
            what=f"{TRAINING} beside test images",
            why=f"the {len(training)} training images are fewer than the {len(test)} test images",
        )
    if not between:
        yield LeftOut(
            what="interpolation",
            why=f"{len(test)} test images make fewer than {NEIGHBOURS + 1} pairs",
        )
    if min(test.shape[1:3]) <= 2 * RADIUS:
        yield LeftOut(
            what="SSIM",
            why=f"images of {test.shape[1]}×{test.shape[2]} pixels are smaller than its window",
        )

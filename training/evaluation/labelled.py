"""What labels let one ask of a model: how attributes shift, how groups add up, class into class.

judges, labels and means of training and test images → shifts, arithmetic, classes, what is left out

1. What these labels do not let one ask is named with its reason.
2. Where exactly one label is true of every image, the labels are classes. Each is still shifted as
   an attribute, but what counts is one class made into another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.evaluation.classes import PER_PAIR, class_means, measure_classes
from training.evaluation.groups import SIZES, arithmetic_pair, measure_arithmetic
from training.evaluation.judges import MIN_ACCURACY, balanced_accuracy, logits
from training.evaluation.related import one_hot, related_labels
from training.evaluation.result import LeftOut
from training.evaluation.shifts import ShiftOptions, measure_shifts

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.data import Dataset
    from training.data.progress import Progress
    from training.evaluation.classes import ClassShifts
    from training.evaluation.groups import Arithmetic
    from training.evaluation.judges import JudgePair
    from training.evaluation.model import Model
    from training.evaluation.options import EvaluationOptions
    from training.evaluation.quality import ShiftQuality

Float32 = NDArray[np.float32]
Labels = NDArray[np.bool_]

FEWEST = 5
"""Images that every pair of classes should have."""


@dataclass(frozen=True)
class Case:
    """A model and what it is asked about.

    Attributes:
        model: Whose latents are moved.
        judges: Taught on the attributes of ``test``.
        test: Held-out images with A attributes.
        means: float32 [T, L], of the test images.
        training_labels: bool [N, A], tell which attributes are related.
        known_labels: bool [M, A], of those training images whose means are known.
        known_means: float32 [M, L].
        options: How much is looked at.
        progress: Makes the progress of a part from its label.
    """

    model: Model
    judges: JudgePair
    test: Dataset
    means: Float32
    training_labels: Labels
    known_labels: Labels
    known_means: Float32
    options: EvaluationOptions
    progress: Callable[[str], Progress]


@dataclass(frozen=True)
class Labelled:
    """What was found, as in `training.evaluation.result.Evaluation`."""

    shifts: tuple[ShiftQuality, ...] = ()
    arithmetic: tuple[Arithmetic, ...] = ()
    classes: ClassShifts | None = None
    left_out: tuple[LeftOut, ...] = ()


def measure_labelled(case: Case, directions: Float32) -> Labelled:
    """Ask all of it; ``directions`` float32 [A, L], or [0, L] if there are none."""
    reasons: dict[str, str] = {}
    shifts = _shifts(case, directions) if len(directions) else ()
    if not shifts:
        reasons["shifts"] = "the model has no directions for these attributes"
    arithmetic: tuple[Arithmetic, ...] = ()
    classes: ClassShifts | None = None
    if one_hot(case.training_labels) and one_hot(case.test.labels):
        reasons["arithmetic"] = "classes exclude each other, so that no image is of two at once"
        per_pair = _per_pair(case)
        if why := _too_few(case, per_pair):
            reasons["class to class"] = why
        else:
            classes = _classes(case, per_pair)
    else:
        arithmetic = _arithmetic(case, shifts)
        if not arithmetic:
            reasons["arithmetic"] = (
                f"no two unrelated attributes that judges can see have {min(SIZES)} test images "
                "with both, with either one and with neither"
            )
    left_out = tuple(LeftOut(what=what, why=why) for what, why in reasons.items())
    return Labelled(shifts, arithmetic, classes, left_out)


def _shifts(case: Case, directions: Float32) -> tuple[ShiftQuality, ...]:
    options = case.options
    return measure_shifts(
        case.model,
        directions,
        case.judges,
        case.training_labels,
        case.test,
        options=ShiftOptions(
            count=options.count,
            per_side=options.shift_images,
            grid=options.grid_images,
            draws=options.draws,
            seed=options.seed,
        ),
        progress=case.progress("shifting attributes"),
    )


def _arithmetic(case: Case, shifts: tuple[ShiftQuality, ...]) -> tuple[Arithmetic, ...]:
    """None where no two attributes allow it."""
    pair = arithmetic_pair(
        case.test.labels,
        case.test.attributes,
        seen=_judged(case, shifts) >= MIN_ACCURACY,
        related=related_labels(case.training_labels),
    )
    if pair is None:
        return ()
    return measure_arithmetic(
        case.model,
        case.judges,
        case.test,
        case.means,
        pair,
        draws=case.options.arithmetic_draws,
        resamples=case.options.draws,
        seed=case.options.seed,
        progress=case.progress("adding groups"),
    )


def _judged(case: Case, shifts: tuple[ShiftQuality, ...]) -> NDArray[np.float64]:
    """Balanced accuracy of the worse judge on real images, float64 [A]."""
    if shifts:
        return np.array([shift.judged for shift in shifts])
    images, labels = np.asarray(case.test.images[:]), case.test.labels
    said = [balanced_accuracy(logits(judge, images), labels) for judge in case.judges]
    return np.asarray(np.min(said, axis=0), np.float64)


def _classes(case: Case, per_pair: int) -> ClassShifts:
    return measure_classes(
        case.model,
        class_means(case.known_labels, case.known_means),
        case.judges,
        case.test,
        per_pair=per_pair,
        seed=case.options.seed,
        progress=case.progress("changing classes"),
    )


def _per_pair(case: Case) -> int:
    count = len(case.test.attributes)
    return min(PER_PAIR, case.options.class_shifts // (count * (count - 1)))


def _too_few(case: Case, per_pair: int) -> str:
    """Why classes cannot be made into each other; empty if they can."""
    names = case.test.attributes
    for part, labels in (("training", case.known_labels), ("test", case.test.labels)):
        counts = labels.sum(axis=0).tolist()
        absent = [name for name, count in zip(names, counts, strict=True) if not count]
        if absent:
            return f"none of the {len(labels)} {part} images looked at is of {', '.join(absent)}"
    if per_pair < FEWEST:
        return (
            f"{len(names)} classes are too many: {case.options.class_shifts} images are fewer than "
            f"{FEWEST} for each of {len(names) * (len(names) - 1)} pairs"
        )
    return ""

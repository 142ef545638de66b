"""What a model is measured by before it becomes a bundle: first to choose, then to report.

training images → two judges · validation images → directions · test images → `Evaluation`

Judges are taught once. What chooses is not what reports: the directions that did best on validation
images are measured anew on test images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from export.choose import choose, ridge_alone
from training.evaluation.evaluation import evaluate
from training.evaluation.judges import teach_judges
from training.evaluation.shifts import ShiftOptions, Shifts

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from bundle import Prior
    from export.choose import Choice
    from training.data import Dataset
    from training.data.progress import Progress
    from training.evaluation.model import Model
    from training.evaluation.options import EvaluationOptions
    from training.evaluation.result import Evaluation

CHOICE_IMAGES = 150
"""Validation images without, and with, an attribute that choose its direction."""
CHOICE_DRAWS = 200


class Parts(NamedTuple):
    """The parts of one image set; the validation part may be empty."""

    training: Dataset
    validation: Dataset
    test: Dataset


def measure(
    model: Model,
    parts: Parts,
    means: NDArray[np.float32],
    prior: Prior,
    *,
    options: EvaluationOptions,
    name: str,
    say: Callable[[str], object],
    progress: Callable[[str], Progress],
) -> tuple[Choice, Evaluation]:
    """Choose the directions and evaluate the model with them.

    Args:
        model: What will be served.
        parts: Of the set.
        means: float32 [N, L], of the first N training images.
        prior: The fitted one.
        options: How much is looked at; at most `CHOICE_IMAGES` a side choose.
        name: Of the model, for tables.
        say: Is told what is being done, a line at a time.
        progress: Makes the progress of a part from its label.

    Raises:
        EvaluationError: There are too few images.
    """
    training, validation, test = parts
    labels = training.labels[: len(means)]
    choice, judges = ridge_alone(labels, means), None
    if training.attributes:
        judges = teach_judges(
            training,
            seed=options.seed,
            steps=options.judge_steps,
            progress=progress("teaching judges"),
        )
    if judges is not None and len(validation):
        say("choosing directions on validation images")
        shifts = Shifts(
            model,
            judges,
            training.labels,
            validation,
            options=ShiftOptions(
                count=options.count,
                per_side=min(CHOICE_IMAGES, options.shift_images),
                grid=1,
                draws=min(CHOICE_DRAWS, options.draws),
                seed=options.seed,
            ),
        )
        choice = choose(labels, means, shifts.measure_one)
        say(_said_of(choice, training.attributes))
    say("evaluating on test images")
    return choice, evaluate(
        model,
        choice.directions,
        prior,
        training,
        test,
        options=options,
        progress=progress,
        judges=judges,
        name=name,
    )


def _said_of(choice: Choice, names: tuple[str, ...]) -> str:
    """One line: which attributes got another direction than ridge's, and which were scaled."""
    gained = [
        f"{name} {kind} ({scores[kind]:.3f}, ridge {scores['ridge']:.3f})"
        for name, kind, scores in zip(names, choice.kinds, choice.scores, strict=True)
        if kind != "ridge"
    ]
    scaled = [
        f"{name} {scale:.2f}"
        for name, scale in zip(names, choice.scales, strict=True)
        if scale != 1.0
    ]
    kinds = f"{', '.join(gained)}, else ridge" if gained else "ridge for all"
    return f"directions: {kinds}; scaled: {', '.join(scaled) or 'none'}"

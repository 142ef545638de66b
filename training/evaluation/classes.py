"""Class data sets: one class becomes another by the difference of their mean latents.

labels one-hot [N, C], means [N, L] → class means [C, L] → mean(x) + m(c2) - m(c1) → judged a c2?

Where exactly one label is true of every image, "with" against "without" is the wrong question: a
digit is not without a seven, it is another digit. Every pair of classes is asked instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.data.progress import silent
from training.evaluation.content import beside, content
from training.evaluation.edits import shifted, take_sample
from training.evaluation.related import one_hot

if TYPE_CHECKING:
    from training.data import Dataset
    from training.data.progress import Progress
    from training.evaluation.edits import Sample, Verdicts
    from training.evaluation.judges import JudgePair
    from training.evaluation.model import Model

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Labels = NDArray[np.bool_]
Rows = NDArray[np.intp]
Matrix = tuple[tuple[float, ...], ...]

PER_PAIR = 100
"""Images of a class that are made into each other class, at most."""


@dataclass(frozen=True)
class ClassShifts:
    """Every class made into every other; row c1, column c2; the diagonal is 0.

    Of two judges, the lower share counts. A judge's verdict is the class of its highest logit.

    Attributes:
        names: Of the classes.
        images: Of each class that were looked at.
        judged: Share of each class whose images, the real ones, are judged to be of it.
        ceiling: Share of each class whose reconstructions are judged to be of it.
        flip: Share of c1, judged c1 by reconstruction, that are judged c2 once shifted.
        content: What the second judge's features keep beside both classes, 1 is all.
        flip_mean: Mean over all pairs of ``flip`` over the ceiling of c2, each at most 1.
        flip_lowest: That of the worst pair.
        lowest_pair: Which one that is, from and to.
        content_mean: Mean of ``content`` over all pairs.
    """

    names: tuple[str, ...]
    images: tuple[int, ...]
    judged: tuple[float, ...]
    ceiling: tuple[float, ...]
    flip: Matrix
    content: Matrix
    flip_mean: float
    flip_lowest: float
    lowest_pair: tuple[str, str]
    content_mean: float


def class_means(labels: Labels, means: Float32) -> Float32:
    """Mean latent of each class, float32 [C, L], from labels bool [N, C] and means [N, L].

    Raises:
        ValueError: The labels are not classes, or a class has no image.
    """
    counts = labels.sum(axis=0)
    if not one_hot(labels) or not counts.all():
        raise ValueError(
            f"labels with {labels.sum(axis=1).min(initial=0)} to "
            f"{labels.sum(axis=1).max(initial=0)} true in a row and {counts.tolist()} images are "
            "not classes; exactly one must be true in every row, and each of some image"
        )
    sums = labels.T.astype(np.float64) @ means.astype(np.float64)
    return np.asarray(sums / counts[:, None], np.float32)


def measure_classes(
    model: Model,
    middles: Float32,
    judges: JudgePair,
    test: Dataset,
    *,
    per_pair: int = PER_PAIR,
    seed: int = 0,
    progress: Progress = silent,
) -> ClassShifts:
    """Shift up to ``per_pair`` test images of each class to every other class.

    Args:
        model: Whose means are shifted.
        middles: float32 [C, L], from `class_means` of training images.
        judges: Taught on the same classes.
        test: Held-out images with C classes.
        per_pair: Images of each class.
        seed: Of their choice.
        progress: Called with (classes done, classes in all).

    Raises:
        ValueError: The labels of ``test`` are not classes, or a class has no image.
    """
    if not one_hot(test.labels) or not test.labels.any(axis=0).all():
        raise ValueError(
            f"the {len(test.attributes)} labels of {test.name} are not classes with "
            f"{test.labels.sum(axis=0).tolist()} images; exactly one must be true in every row, "
            "and each of some image"
        )
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(column))[:per_pair] for column in test.labels.T]
    sample = take_sample(model, judges, test, np.concatenate(chosen))
    true = sample.labels.argmax(axis=1)
    verdicts = [said.logits.argmax(axis=1) for said in sample.shown]
    count = len(test.attributes)
    judged, ceiling = (_recognised(both, true, count) for both in (sample.real, sample.shown))
    flip, kept = np.zeros((count, count)), np.zeros((count, count))
    for start in range(count):
        rows = np.flatnonzero(true == start)
        for end in range(count):
            if end == start:
                continue
            moved = shifted(model, judges, sample, rows, middles[end] - middles[start])
            flip[start, end] = min(
                _share(after.logits[verdict[rows] == start].argmax(axis=1) == end)
                for verdict, after in zip(verdicts, moved, strict=True)
            )
            kept[start, end] = _kept(judges, sample, rows, moved[1], (start, end))
        progress(start + 1, count)
    pairs = ~np.eye(count, dtype=np.bool_)
    reached = np.minimum(1.0, flip / np.maximum(ceiling, 1e-9))
    start, end = divmod(int(np.where(pairs, reached, np.inf).argmin()), count)
    return ClassShifts(
        names=test.attributes,
        images=tuple(len(rows) for rows in chosen),
        judged=tuple(judged.tolist()),
        ceiling=tuple(ceiling.tolist()),
        flip=tuple(map(tuple, flip.tolist())),
        content=tuple(map(tuple, kept.tolist())),
        flip_mean=float(reached[pairs].mean()),
        flip_lowest=float(reached[start, end]),
        lowest_pair=(test.attributes[start], test.attributes[end]),
        content_mean=float(kept[pairs].mean()),
    )


def _recognised(both: tuple[Verdicts, Verdicts], true: Rows, count: int) -> Float64:
    """Share of each class that is judged to be of it, by the judge that sees fewer: float64 [C]."""
    right = [said.logits.argmax(axis=1) == true for said in both]
    return np.array([min(_share(one[true == c]) for one in right) for c in range(count)])


def _kept(
    judges: JudgePair, sample: Sample, rows: Rows, moved: Verdicts, pair: tuple[int, int]
) -> float:
    """Content of a class's images in the second judge's features, beside both classes."""
    reading = judges.second.weights[list(pair)]
    before = beside(sample.shown[1].features[rows], reading)
    weights = np.full((1, len(rows)), 1.0 / max(len(rows), 1))
    return float(content(before, beside(moved.features, reading), weights)[0])


def _share(right: Labels) -> float:
    return float(right.mean()) if right.size else 0.0

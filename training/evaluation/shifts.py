"""How well each attribute shifts, on held-out images, by judges that the training never met.

test images → means [N, L] → + s·direction, as served → decoder → two judges → figures

Nothing but the direction itself is added: no other label is flipped along with it, since a client
that asks for one attribute gets that attribute's direction. Where two judges differ, the worse
answer is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.data.progress import silent
from training.evaluation.answers import (
    Answers,
    along,
    changed,
    judged_figures,
    logit_gaps,
    shift_figures,
    useful,
    worse,
)
from training.evaluation.bootstrap import estimate, image_weights, only
from training.evaluation.content import beside, content, retrieved, telling_nothing
from training.evaluation.distances import frechet_distance
from training.evaluation.edits import Verdicts, shifted, shifted_closely, take_sample
from training.evaluation.judges import balanced_accuracy, unseen
from training.evaluation.quality import ShiftQuality
from training.evaluation.related import addable, label_correlation, related_labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from training.data import Dataset
    from training.data.progress import Progress
    from training.evaluation.answers import Figures
    from training.evaluation.judges import JudgePair
    from training.evaluation.model import Model

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Rows = NDArray[np.intp]
Labels = NDArray[np.bool_]

GRID = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
"""Strengths along which the answer should grow, evenly."""
MIN_ADDABLE = 20
"""With fewer images to which an attribute can be added, all images without it are looked at."""
WITH_INTERVAL = (
    "flip",
    "flip_of_ceiling",
    "calibration",
    "leakage_mean",
    "monotone",
    "retrieval",
    "score",
)


@dataclass(frozen=True)
class ShiftOptions:
    """How much is looked at.

    Attributes:
        count: Test images.
        per_side: Of them, at most so many without and so many with an attribute.
        grid: Of them, so many go through every strength of `GRID`.
        draws: Of the bootstrap; 0 gives intervals of no width.
        seed: Of the choice of images and the draws.
    """

    count: int = 2000
    per_side: int = 1000
    grid: int = 500
    draws: int = 1000
    seed: int = 0


def measure_shifts(
    model: Model,
    directions: Float32,
    judges: JudgePair,
    training_labels: Labels,
    test: Dataset,
    *,
    options: ShiftOptions | None = None,
    progress: Progress = silent,
) -> tuple[ShiftQuality, ...]:
    """The figures of every attribute, in the order of the directions.

    Args:
        model: Whose means are shifted.
        directions: float32 [A, L]; row a is added at strength 1.
        judges: From `teach_judges`, on the same attributes.
        training_labels: bool [N, A], tell which attributes are related.
        test: Held-out images, attributes in the order of the directions.
        options: How much is looked at.
        progress: Called with (attributes done, attributes in all).

    Raises:
        ValueError: There are no test images, or directions, labels and attributes do not agree.
    """
    shifts = Shifts(model, judges, training_labels, test, options=options)
    return shifts.measure(directions, progress=progress)


class Shifts:
    """Test images encoded, rebuilt and judged once, for one or several sets of directions.

    Args:
        model: Whose means are shifted.
        judges: From `teach_judges`.
        training_labels: bool [N, A], tell which attributes are related.
        test: Held-out images with A attributes.
        options: How much is looked at.
    """

    def __init__(
        self,
        model: Model,
        judges: JudgePair,
        training_labels: Labels,
        test: Dataset,
        *,
        options: ShiftOptions | None = None,
    ) -> None:
        """Look at the images as they are.

        Raises:
            ValueError: There are no test images, or the numbers of attributes do not agree.
        """
        if training_labels.shape[1] != len(test.attributes):
            raise ValueError(
                f"{training_labels.shape[1]} columns of training labels do not agree with the "
                f"{len(test.attributes)} attributes of the test images"
            )
        if not len(test):
            raise ValueError("there are no test images; shifts are measured on held-out images")
        self.names = test.attributes
        self._model, self._judges = model, judges
        self._options = options = options or ShiftOptions()
        rows = np.random.default_rng(options.seed).permutation(len(test))[: options.count]
        self._sample = sample = take_sample(model, judges, test, np.sort(rows))
        self._phi = label_correlation(training_labels)
        self._related = related_labels(training_labels)
        self._addable = [
            addable(sample.labels, training_labels, row) for row in range(len(self.names))
        ]
        self._judged, self._kept = (
            np.min([balanced_accuracy(said.logits, sample.labels) for said in both], axis=0)
            for both in (sample.real, sample.shown)
        )
        self._unseen = unseen(self._judged.tolist(), self._kept.tolist())
        seen = [row not in self._unseen for row in range(len(self.names))]
        self._counted = ~self._related & np.array(seen, np.bool_)
        self._gaps = [logit_gaps(said.logits, sample.labels) for said in sample.shown]

    def measure(
        self, directions: Float32, *, progress: Progress = silent
    ) -> tuple[ShiftQuality, ...]:
        """The figures of every attribute, for directions float32 [A, L].

        Raises:
            ValueError: There are not as many directions as attributes.
        """
        if len(directions) != len(self.names):
            raise ValueError(
                f"{len(directions)} directions do not agree with {len(self.names)} attributes"
            )
        found = []
        for row, direction in enumerate(directions):
            found.append(self.measure_one(row, direction))
            progress(row + 1, len(self.names))
        return tuple(found)

    def measure_one(self, row: int, direction: Float32) -> ShiftQuality:
        """The figures of attribute ``row`` for one direction float32 [L]."""
        sample, options = self._sample, self._options
        rng = np.random.default_rng((options.seed, row))
        here = sample.labels[:, row]
        without, having = (
            rng.permutation(np.flatnonzero(side))[: options.per_side] for side in (~here, here)
        )
        possible = self._addable[row][without]
        can = possible if possible.sum() >= MIN_ADDABLE else np.ones_like(possible)
        anyone, owning = (image_weights(len(x), options.draws, rng) for x in (without, having))
        lacking = only(anyone, can)
        added, likeness = shifted_closely(self._model, self._judges, sample, without, direction)
        removed = shifted(self._model, self._judges, sample, having, -direction)
        said = [
            Answers(shown.logits[without], plus.logits, shown.logits[having], minus.logits, gaps)
            for shown, plus, minus, gaps in zip(
                sample.shown, added, removed, self._gaps, strict=True
            )
        ]
        kept = self._content(row, without, added[1].features, lacking)
        figures, leaked = self._judged_by_both(row, said, (lacking, owning), kept)
        loose = worse(*(shift_figures(row, one, anyone, owning) for one in said))
        steps, useful_range = self._along(row, direction, rng)
        figures |= steps | {
            "content": kept,
            "retrieval": lacking @ self._retrieved(row, without, likeness.small),
            "flip_any": loose["flip"],
            "calibration_any": loose["calibration"],
        }
        found = {name: estimate(draws) for name, draws in figures.items()}
        return ShiftQuality(
            name=self.names[row],
            unseen=self._unseen.get(row, ""),
            images=(int(can.sum()), len(having)),
            addable=_mean(possible),
            judged=float(self._judged[row]),
            kept=float(self._kept[row]),
            ssim=_mean(likeness.ssim[can]),
            round_trip=_mean(likeness.round_trip[can]),
            consistency=_mean(likeness.consistency[can]),
            phi=tuple(self._phi[row].tolist()),
            related=tuple(self._related[row].tolist()),
            leakage=leaked,
            others_flipped=_highest(lacking[0] @ changed(one.without, one.added) for one in said),
            intervals={name: (found[name].low, found[name].high) for name in WITH_INTERVAL},
            useful_range=useful_range,
            **self._plausibility(added[0].features[can], having),
            **{name: figure.value for name, figure in found.items()},
        )

    def _judged_by_both(
        self,
        row: int,
        said: list[Answers],
        sides: tuple[Float64, Float64],
        kept: Float64,
    ) -> tuple[Figures, tuple[float, ...]]:
        """The worse figures of two judges, and the higher leakage onto each attribute."""
        related = self._related[row].copy()
        related[row] = False
        found = [
            judged_figures(
                row, one, sides, counted=self._counted[row], related=related, content=kept
            )
            for one in said
        ]
        return worse(*(figures for figures, _ in found)), _highest(part for _, part in found)

    def _content(self, row: int, without: Rows, moved: Float32, weights: Float64) -> Float64:
        """Content in the second judge's features."""
        reading = self._judges.second.weights[self._related[row]]
        before = self._sample.shown[1].features[without]
        return content(beside(before, reading), beside(moved, reading), weights)

    def _retrieved(self, row: int, without: Rows, moved: UInt8) -> Float64:
        """Whether each shifted image's nearest reconstruction is its own, by its plain pixels."""
        sample, real = self._sample, self._sample.real_small
        plain = telling_nothing(real, sample.labels[:, self._related[row]])
        return retrieved(sample.small[without][:, plain], moved[:, plain])

    def _plausibility(self, added: Float32, having: Rows) -> dict[str, float]:
        """Fréchet distances to the real P_a, of equally many images each."""
        count = min(len(added), len(having))
        real = self._sample.real[0].features[having[:count]]
        rebuilt = self._sample.shown[0].features[having[:count]]
        sets = {"plausibility": added[:count], "plausibility_rebuilt": rebuilt}
        if count < 2:  # noqa: PLR2004  (a covariance)
            return dict.fromkeys(sets, 0.0)
        return {name: frechet_distance(features, real) for name, features in sets.items()}

    def _along(
        self, row: int, direction: Float32, rng: np.random.Generator
    ) -> tuple[Figures, tuple[float, float]]:
        """Linearity and monotony along `GRID`, and the useful range."""
        sample, counted = self._sample, self._counted[row]
        rows = rng.permutation(len(sample.labels))[: self._options.grid]
        here = sample.labels[rows, row]
        weights = image_weights(len(rows), self._options.draws, rng)
        unmoved = [Verdicts(said.logits[rows], said.features[rows]) for said in sample.shown]
        path = [
            shifted(self._model, self._judges, sample, rows, np.float32(strength) * direction)
            if strength
            else unmoved
            for strength in GRID
        ]
        by_judge, lowest = [], np.ones(len(GRID))
        for number, shown in enumerate(sample.shown):
            said = np.stack([verdicts[number].logits for verdicts in path])
            linearity, rising = along(said[:, :, row])
            by_judge.append({"linearity": np.array([linearity]), "monotone": weights @ rising})
            for place, strength in enumerate(GRID):
                side = here if strength < 0 else ~here
                moved = changed(shown.logits[rows][side], said[place][side])[:, counted]
                lowest[place] = min(lowest[place], 1.0 - _mean(moved))
        return worse(*by_judge), useful(GRID, lowest)


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if values.size else 0.0


def _highest(rows: Iterable[Float64]) -> tuple[float, ...]:
    """Of two judges' rows over attributes, the higher of each."""
    return tuple(np.max(list(rows), axis=0).tolist())

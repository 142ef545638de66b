"""One class made into another, on pictures whose factors are known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.factors import (
    ATTRIBUTES,
    MIX,
    ExactModel,
    class_set,
    factor_set,
    reading_judges,
    true_directions,
)
from training.evaluation.classes import ClassShifts, class_means, measure_classes
from training.evaluation.evaluation import rows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.evaluation.judges import JudgePair

COUNT = 160
PAIRS = ~np.eye(4, dtype=np.bool_)
GLASSES, LARGE, RED = (ATTRIBUTES.index(name) for name in ("glasses", "large", "red"))


def _measured(
    model: ExactModel,
    judges: JudgePair | None = None,
    middles: NDArray[np.float32] | None = None,
    per_pair: int = 30,
) -> ClassShifts:
    test, _ = class_set(model, COUNT, seed=2)
    middles = true_directions() if middles is None else middles
    return measure_classes(model, middles, judges or reading_judges(), test, per_pair=per_pair)


def test_a_perfect_model_makes_every_class_of_every_other() -> None:
    training, means = class_set(ExactModel(), 4000, seed=1)
    found = _measured(ExactModel(), middles=class_means(training.labels, means))
    assert found.names == ATTRIBUTES
    assert found.images == (30, 30, 30, 30)
    assert found.judged == found.ceiling == (1.0, 1.0, 1.0, 1.0)
    assert np.array(found.flip).tolist() == PAIRS.astype(float).tolist()
    assert found.flip_mean == found.flip_lowest == 1.0
    assert (np.array(found.content)[PAIRS] > 0.9).all()
    assert found.content_mean == pytest.approx(np.array(found.content)[PAIRS].mean())


class Dazzled(ExactModel):
    """Draws what has a very bright dot large, where it should wear glasses."""

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        factors = latents.astype(np.float64) @ np.linalg.inv(MIX)
        dazzled = (factors[:, 5] > 5.0) & (factors[:, GLASSES] > 0.5)
        factors[dazzled, GLASSES], factors[dazzled, LARGE] = 0.0, 1.0
        return super().decode((factors @ MIX).astype(np.float32))


def test_a_pair_that_cannot_be_reached_is_the_lowest() -> None:
    model = Dazzled()
    test, latents = class_set(model, COUNT, seed=2)
    moved = latents + np.where(test.labels[:, [LARGE]], 20.0, 0.0) * MIX[5]
    test = replace(test, images=model.decode(moved.astype(np.float32)))
    found = measure_classes(model, true_directions(), reading_judges(), test, per_pair=30)
    flip = PAIRS.astype(float)
    flip[LARGE, GLASSES] = 0.0
    assert np.array(found.flip).tolist() == flip.tolist()
    assert found.ceiling == (1.0, 1.0, 1.0, 1.0)
    assert found.flip_lowest == 0.0
    assert found.lowest_pair == ("large", "glasses")
    assert found.flip_mean == pytest.approx(11 / 12)


def test_a_model_that_loses_the_class_reaches_none() -> None:
    class Grey(ExactModel):
        lost = False

        def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
            return super().decode(latents * np.float32(not self.lost))

    model = Grey()
    test, _ = class_set(model, COUNT, seed=2)
    model.lost = True
    found = measure_classes(model, true_directions(), reading_judges(), test, per_pair=30)
    assert found.judged == (1.0, 1.0, 1.0, 1.0)
    assert sum(found.ceiling) == 1.0, "whatever the judges call it, it is the same for all"
    assert found.flip_mean == found.flip_lowest == 0.0


def test_what_reconstructions_lose_is_not_asked_of_the_shift() -> None:
    class Fading(ExactModel):
        """Once it fades, it shows red only where the dot lies to the right."""

        fades = False

        def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
            factors = latents.astype(np.float64) @ np.linalg.inv(MIX)
            if self.fades:
                factors[:, RED] *= np.where(factors[:, 4] > 0.0, 1.0, -1.0)
            return super().decode((factors @ MIX).astype(np.float32))

    model = Fading()
    test, _ = class_set(model, COUNT, seed=2)
    model.fades = True
    found = measure_classes(model, true_directions(), reading_judges(), test, per_pair=40)
    assert found.judged[RED] == 1.0
    assert 0.3 < found.ceiling[RED] < 0.7
    for start in range(3):
        assert 0.3 < found.flip[start][RED] < 0.8
    assert found.flip_mean > 0.9


@pytest.mark.parametrize("verdict", ["yes", "no"])
def test_judges_that_do_not_look_let_nothing_pass(verdict: str) -> None:
    for judges in (reading_judges(verdict, verdict), reading_judges("exact", verdict)):
        found = _measured(ExactModel(), judges)
        assert min(found.judged) == min(found.ceiling) == 0.0
        assert found.flip_mean == found.flip_lowest == 0.0


def test_an_edit_that_does_nothing_keeps_all_and_reaches_nothing() -> None:
    found = _measured(ExactModel(), middles=np.zeros((4, 6), np.float32))
    assert found.ceiling == (1.0, 1.0, 1.0, 1.0)
    assert found.flip_mean == 0.0
    assert found.content_mean == pytest.approx(1.0)


def test_class_means_are_those_of_each_class() -> None:
    labels = np.array([[1, 0], [0, 1], [1, 0]], np.bool_)
    means = np.array([[1, 2], [5, 7], [3, 6]], np.float32)
    assert class_means(labels, means).tolist() == [[2, 4], [5, 7]]


@pytest.mark.parametrize("labels", [[[1, 1], [0, 1]], [[0, 0], [0, 1]], [[0, 1], [0, 1]]])
def test_labels_that_are_no_classes_are_refused(labels: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="are not classes; exactly one must be true"):
        class_means(np.array(labels, np.bool_), np.zeros((2, 3), np.float32))


def test_a_test_part_without_classes_or_without_one_of_them_is_refused() -> None:
    model, judges = ExactModel(), reading_judges()
    free, _ = factor_set(model, 40, seed=3)
    three, _ = class_set(model, 40, seed=3)
    three = rows_of(three, np.flatnonzero(~three.labels[:, RED]))
    for test in (free, three):
        with pytest.raises(ValueError, match="labels of factors are not classes"):
            measure_classes(model, true_directions(), judges, test)


def test_the_same_seed_gives_the_same_and_progress_counts_classes() -> None:
    model, told = Dazzled(), list[tuple[int, int]]()
    test, _ = class_set(model, COUNT, seed=2)
    first, again = (
        measure_classes(
            model,
            true_directions(),
            reading_judges(),
            test,
            per_pair=5,
            progress=lambda done, total: told.append((done, total)),
        )
        for _ in range(2)
    )
    assert first == again
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)] * 2

"""Arithmetic with groups of pictures whose factors are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.factors import ATTRIBUTES, MIX, ExactModel, factor_set, reading_judges
from training.evaluation.evaluation import rows_of
from training.evaluation.groups import (
    FORMULAE,
    SIZES,
    Arithmetic,
    arithmetic_pair,
    expected,
    measure_arithmetic,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data import Dataset
    from training.evaluation.judges import JudgePair

MODEL = ExactModel()
TEST, MEANS = factor_set(MODEL, 240, seed=1)
GLASSES, LARGE = ATTRIBUTES.index("glasses"), ATTRIBUTES.index("large")
SEEN, FREE = np.ones(4, np.bool_), np.eye(4, dtype=np.bool_)


def _measured(
    model: ExactModel = MODEL,
    judges: JudgePair | None = None,
    test: Dataset = TEST,
    means: NDArray[np.float32] = MEANS,
    draws: int = 60,
) -> tuple[Arithmetic, ...]:
    return measure_arithmetic(
        model, judges or reading_judges(), test, means, (GLASSES, LARGE), draws=draws, resamples=200
    )


def test_the_formulae_come_to_what_the_book_says() -> None:
    """Glasses first, women second: a man without, a woman with, a man with, a woman with."""
    assert [expected(formula) for formula in FORMULAE] == [(0, 0), (1, 1), (1, 0), (1, 1)]
    for plus, minus, also in FORMULAE:
        assert len({plus, minus, also}) == 3
        assert sum(a != b for a, b in zip(plus, minus, strict=True)) == 1


def test_with_a_perfect_model_all_come_out_right() -> None:
    found = _measured()
    assert [(one.formula, one.size) for one in found] == [
        (formula, size) for formula in FORMULAE for size in SIZES
    ]
    for one in found:
        assert one.attributes == ("glasses", "large")
        assert (one.success.value, one.success.low, one.success.high) == (1.0, 1.0, 1.0)
        assert one.draws == 60


class Shortsighted(ExactModel):
    """Never draws glasses."""

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        factors = latents.astype(np.float64) @ np.linalg.inv(MIX)
        factors[:, GLASSES] = 0.0
        return super().decode((factors @ MIX).astype(np.float32))


def test_with_a_broken_model_those_that_need_what_it_cannot_draw_fail() -> None:
    for one in _measured(Shortsighted()):
        assert one.success.value == float(not expected(one.formula)[0])


def test_the_judge_that_agrees_less_counts() -> None:
    for judges in (reading_judges("exact", "no"), reading_judges("no", "exact")):
        for one in _measured(judges=judges):
            assert one.success.value == float(expected(one.formula) == (0, 0))


def test_a_success_that_chance_decides_has_an_interval_that_shrinks_with_draws() -> None:
    class Dim(ExactModel):
        """Draws glasses only where the dot is light, which it is for half of the groups."""

        def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
            factors = latents.astype(np.float64) @ np.linalg.inv(MIX)
            factors[:, GLASSES] *= factors[:, 5] > 0.0
            return super().decode((factors @ MIX).astype(np.float32))

    few, many = (_measured(Dim(), draws=draws)[2].success for draws in (40, 400))
    for rate in (few, many):
        assert rate.low < rate.value < rate.high
        assert 0.2 < rate.value < 0.8
    assert many.high - many.low < few.high - few.low


def test_groups_that_are_too_small_leave_out_the_larger_size() -> None:
    both = np.flatnonzero(TEST.labels[:, GLASSES] & TEST.labels[:, LARGE])
    rows = np.setdiff1d(np.arange(len(TEST)), both[10:])
    found = _measured(test=rows_of(TEST, rows), means=MEANS[rows])
    assert {one.size for one in found} == {3}
    assert len(found) == len(FORMULAE)


def test_the_same_seed_gives_the_same_draws_and_progress_counts_formulae() -> None:
    told: list[tuple[int, int]] = []
    model, judges = Shortsighted(), reading_judges()
    first = _measured(model)
    again = measure_arithmetic(
        model,
        judges,
        TEST,
        MEANS,
        (GLASSES, LARGE),
        draws=60,
        resamples=200,
        progress=lambda done, total: told.append((done, total)),
    )
    assert again == first
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_pair_nearest_to_the_books_is_taken_even_if_related() -> None:
    labels = TEST.labels[:, :3]
    names = ("long_hair", "hat", "glasses")
    related = np.ones((3, 3), np.bool_)
    assert arithmetic_pair(labels, names, seen=SEEN[:3], related=related) == (2, 0)


def test_otherwise_the_unrelated_pair_with_most_images_in_its_smallest_group() -> None:
    labels = np.random.default_rng(0).random((400, 4)) < (0.5, 0.5, 0.5, 0.05)
    names = ("a", "b", "c", "d")
    related = FREE.copy()
    related[0, 1] = related[1, 0] = True
    first = arithmetic_pair(labels, names, seen=SEEN, related=related)
    assert first in {(0, 2), (1, 2)}
    labels[:300, 0] = False  # its groups shrink
    assert arithmetic_pair(labels, names, seen=SEEN, related=related) == (1, 2)


def test_what_judges_do_not_see_is_not_taken() -> None:
    names = ("glasses", "long_hair", "c", "d")
    assert arithmetic_pair(TEST.labels, names, seen=SEEN, related=FREE) == (0, 1)
    blind = np.array([False, True, True, True])
    pair = arithmetic_pair(TEST.labels, names, seen=blind, related=FREE)
    assert pair is not None
    assert 0 not in pair


@pytest.mark.parametrize("classes", [1, 4])
def test_without_enough_images_of_every_group_there_is_no_pair(classes: int) -> None:
    labels = np.eye(classes, dtype=np.bool_)[np.arange(80) % classes]
    names = ("glasses", "long_hair", "c", "d")[:classes]
    seen, related = SEEN[:classes], FREE[:classes, :classes]
    assert arithmetic_pair(labels, names, seen=seen, related=related) is None
    few = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 2, np.bool_)
    assert arithmetic_pair(few, ("a", "b"), seen=SEEN[:2], related=FREE[:2, :2]) is None

"""The choice of a direction, with measures whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from export.choose import choose, ridge_alone, varying_freely
from training.directions import (
    conditional_directions,
    lda_directions,
    mean_directions,
    ridge_directions,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class _Scored:
    score: float
    calibration: float = 1.0
    unseen: str = ""
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


def _measured(score: float, half_width: float) -> _Scored:
    return _Scored(score, intervals={"score": (score - half_width, score + half_width)})


@pytest.fixture(scope="module")
def correlated() -> tuple[NDArray[np.bool_], Float32]:
    """Labels bool [2000, 2] that mostly agree, and means float32 [2000, 3]."""
    rng = np.random.default_rng(0)
    first = rng.random(2000) < 0.5
    labels = np.stack((first, first ^ (rng.random(2000) < 0.15)), 1)
    noise = rng.standard_normal((2000, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.5], [0, 0, 1]])
    means = labels @ np.array([[2.0, 0, 0], [0, 2.0, 0]]) + noise
    return labels, means.astype(np.float32)


def _liking(wanted: Float32, width: float) -> Callable[[int, Float32], _Scored]:
    """A measure that likes rows the better, the nearer they are to ``wanted`` [A, L]."""

    def measure(attribute: int, row: Float32) -> _Scored:
        return _measured(1.0 - float(np.linalg.norm(row - wanted[attribute])), width)

    return measure


def test_each_attribute_gets_the_kind_that_scores_best(
    correlated: tuple[NDArray[np.bool_], Float32],
) -> None:
    labels, means = correlated
    protected = varying_freely(labels)
    kinds = {
        "mean": mean_directions(labels, means),
        "ridge": ridge_directions(labels, means),
        "lda": lda_directions(labels, means),
        "conditional": conditional_directions(labels, means, protected),
    }
    for first, wanted_first in kinds.items():
        for second, wanted_second in kinds.items():
            wanted = np.stack((wanted_first[0], wanted_second[1]))
            choice = choose(labels, means, _liking(wanted, 0.001))
            assert choice.kinds == (first, second)
            np.testing.assert_array_equal(choice.directions, wanted)
            assert choice.scores[0][choice.kinds[0]] == pytest.approx(1.0)
            assert set(choice.scores[1]) == set(kinds)


def test_a_difference_within_noise_goes_to_ridge(
    correlated: tuple[NDArray[np.bool_], Float32],
) -> None:
    labels, means = correlated
    wanted = mean_directions(labels, means)
    gap = np.linalg.norm(wanted - ridge_directions(labels, means), axis=1)
    # The margin is the root of the sum of both squared half-widths.
    inside, outside = (float(gap.min()) / np.sqrt(2)) * 1.01, (float(gap.min()) / np.sqrt(2)) * 0.99
    weaker = int(gap.argmin())
    assert choose(labels, means, _liking(wanted, inside)).kinds[weaker] == "ridge"
    assert choose(labels, means, _liking(wanted, outside)).kinds[weaker] == "mean"


def test_equal_scores_go_to_ridge(correlated: tuple[NDArray[np.bool_], Float32]) -> None:
    labels, means = correlated
    choice = choose(labels, means, lambda _, __: _Scored(0.5))
    assert choice.kinds == ("ridge", "ridge")
    np.testing.assert_array_equal(choice.directions, ridge_directions(labels, means))


def test_an_attribute_that_judges_cannot_see_is_not_chosen_by_them(
    correlated: tuple[NDArray[np.bool_], Float32],
) -> None:
    labels, means = correlated
    measured: list[int] = []

    def measure(attribute: int, row: Float32) -> _Scored:
        measured.append(attribute)
        return _Scored(float(np.abs(row).sum()), unseen="it cannot be seen")

    assert choose(labels, means, measure).kinds == ("ridge", "ridge")
    assert measured == [0, 1]


def test_rows_that_say_nothing_new_are_not_measured() -> None:
    rng = np.random.default_rng(1)
    classes = np.eye(3, dtype=np.bool_)[rng.integers(0, 3, 600)]
    labels = np.concatenate((classes, np.ones((600, 1), np.bool_)), axis=1)
    means = (rng.standard_normal((600, 4)) + classes @ rng.standard_normal((3, 4))).astype(
        np.float32
    )
    seen: list[tuple[int, tuple[float, ...]]] = []

    def measure(attribute: int, row: Float32) -> _Scored:
        seen.append((attribute, tuple(row.tolist())))
        return _Scored(0.5)

    choice = choose(labels, means, measure)
    assert len(seen) == len(set(seen))
    assert [attribute for attribute, _ in seen].count(3) == 1  # all have it: one row, of zeros
    assert not choice.directions[3].any()


def _closing(share: float, cost: float = 0.0) -> Callable[[int, Float32], _Scored]:
    """Strength 1 of the row as it is closes ``share`` of the gap; each length more costs score."""
    lengths: dict[int, float] = {}

    def measure(attribute: int, row: Float32) -> _Scored:
        length = float(np.linalg.norm(row))
        times = length / lengths.setdefault(attribute, length)
        return _Scored(0.8 - cost * abs(times - 1.0), calibration=share * times)

    return measure


@pytest.mark.parametrize(
    ("share", "cost", "scale"),
    [
        (1.0, 0.0, 1.0),
        (0.97, 0.0, 1.0),  # close enough
        (0.8, 0.0, 1.25),
        (1.25, 0.0, 0.8),
        (0.5, 0.0, 1.6),  # as far as it may
        (2.0, 0.0, 0.7),
        (0.8, 1.0, 1.0),  # it would cost a third of the score
        (-0.3, 0.0, 1.0),  # it moves the wrong way: longer is no cure
    ],
)
def test_rows_are_scaled_until_pictures_close_their_gap(
    correlated: tuple[NDArray[np.bool_], Float32], share: float, cost: float, scale: float
) -> None:
    labels, means = correlated
    choice = choose(labels, means, _closing(share, cost))
    assert choice.scales == pytest.approx((scale, scale))
    np.testing.assert_allclose(
        choice.directions, ridge_directions(labels, means) * scale, rtol=1e-5
    )


def test_an_answer_that_grows_unevenly_is_corrected_once_more(
    correlated: tuple[NDArray[np.bool_], Float32],
) -> None:
    labels, means = correlated
    even = _closing(1.0)

    def measure(attribute: int, row: Float32) -> _Scored:
        times = even(attribute, row).calibration
        return _Scored(0.5, calibration=0.7 * times**0.8)

    (first, _) = choose(labels, means, measure).scales
    assert measure(0, np.float32(first) * ridge_directions(labels, means)[0]).calibration > 0.95


def test_classes_protect_themselves_from_nothing_and_independent_labels_from_all() -> None:
    classes = np.eye(3, dtype=np.bool_)[[0, 1, 2] * 10]
    assert not varying_freely(classes).any()
    free = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.bool_)
    assert varying_freely(free).tolist() == [[False, True], [True, False]]
    contained = np.array([[0, 0], [0, 1], [1, 1]], np.bool_)
    assert not varying_freely(contained).any()


def test_without_a_measure_all_rows_are_ridge(
    correlated: tuple[NDArray[np.bool_], Float32],
) -> None:
    labels, means = correlated
    choice = ridge_alone(labels, means)
    assert choice.kinds == ("ridge", "ridge")
    np.testing.assert_array_equal(choice.directions, ridge_directions(labels, means))
    empty = ridge_alone(labels[:, :0], means)
    assert (empty.directions.shape, empty.kinds) == ((0, 3), ())

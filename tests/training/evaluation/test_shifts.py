"""Shift figures on pictures whose factors are known, by judges that read them exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.factors import (
    ATTRIBUTES,
    MIX,
    ExactModel,
    factor_set,
    reading_judges,
    true_directions,
)
from training.directions import mean_directions, ridge_directions
from training.evaluation.evaluation import rows_of
from training.evaluation.judges import teach_judges
from training.evaluation.quality import GATES, ShiftQuality, failed_gates
from training.evaluation.shifts import ShiftOptions, Shifts, measure_shifts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.evaluation.judges import JudgePair

MODEL = ExactModel()
TRAINING, MEANS = factor_set(MODEL, 3000, seed=1, agreement=0.9)
TEST, TEST_MEANS = factor_set(MODEL, 400, seed=2, agreement=0.9)
FREE, _ = factor_set(MODEL, 400, seed=3)
OPTIONS = ShiftOptions(count=400, per_side=150, grid=60, draws=200)

GREY = 5e-3
"""What rounding to grey levels leaves of a figure."""


def _measured(
    directions: NDArray[np.float32],
    judges: JudgePair | None = None,
    options: ShiftOptions = OPTIONS,
) -> dict[str, ShiftQuality]:
    # Labels that are free of each other, so that leakage onto every attribute counts.
    found = measure_shifts(
        MODEL, directions, judges or reading_judges(), FREE.labels, TEST, options=options
    )
    return {quality.name: quality for quality in found}


def test_the_true_direction_is_perfect() -> None:
    for quality in _measured(true_directions()).values():
        assert failed_gates(quality) == []
        assert quality.flip == quality.ceiling == quality.removed == quality.others_kept == 1.0
        assert quality.calibration == pytest.approx(1.0, abs=GREY)
        assert quality.calibration_back == pytest.approx(-1.0, abs=GREY)
        assert quality.leakage_max == pytest.approx(0.0, abs=GREY)
        assert quality.monotone == quality.retrieval == 1.0
        assert quality.consistency == pytest.approx(1.0, abs=GREY)
        assert quality.round_trip > 50.0
        assert quality.content > 0.9
        assert quality.judged == quality.kept == quality.addable == 1.0
        assert quality.useful_range == (-1.0, 2.0)


def test_the_partial_direction_leaks_less_than_the_mean_difference() -> None:
    """The pair is correlated at 0.8: what comes along with glasses is a round shape."""
    partial = _measured(ridge_directions(TRAINING.labels, MEANS))
    plain = _measured(mean_directions(TRAINING.labels, MEANS))
    glasses, shape = ATTRIBUTES.index("glasses"), ATTRIBUTES.index("round")
    assert partial["glasses"].leakage[shape] < 0.03
    assert plain["glasses"].leakage[shape] == pytest.approx(0.8, abs=0.05)
    assert plain["round"].leakage[glasses] > 0.7
    assert failed_gates(partial["glasses"]) == []
    assert "leakage_mean" in "".join(failed_gates(plain["glasses"]))
    assert partial["glasses"].flip == plain["glasses"].flip == 1.0
    assert partial["glasses"].calibration == pytest.approx(1.0, abs=0.02)


def test_leakage_onto_related_attributes_is_reported_apart() -> None:
    directions = mean_directions(TRAINING.labels, MEANS)
    glasses = Shifts(MODEL, reading_judges(), TRAINING.labels, TEST, options=OPTIONS).measure_one(
        0, directions[0]
    )
    assert glasses.related == (True, True, False, False)
    assert glasses.phi[1] == pytest.approx(0.8, abs=0.05)
    assert glasses.leakage_related == pytest.approx(glasses.leakage[1])
    assert glasses.leakage_related > 0.7
    assert glasses.leakage_max < 0.1
    assert glasses.leakage_mean == pytest.approx(np.mean(glasses.leakage[2:]))


@pytest.mark.parametrize("verdict", ["yes", "no", "random"])
def test_a_judge_that_does_not_look_lets_nothing_pass(verdict: str) -> None:
    for judges in (reading_judges(verdict, verdict), reading_judges(verdict, "exact")):
        for quality in _measured(true_directions(), judges).values():
            failed = failed_gates(quality)
            assert any("judges cannot see it" in reason for reason in failed)
            assert any(reason.startswith(("flip", "calibration")) for reason in failed)
            assert quality.score < 0.7


@pytest.mark.parametrize(
    ("verdict", "failing"),
    [("yes", {"flip_of_ceiling", "calibration"}), ("inclined", {"flip_of_ceiling"})],
)
def test_a_judge_that_always_says_yes_fails_every_gate_that_asks_it(
    verdict: str, failing: set[str]
) -> None:
    """Nothing was without the attribute before, so nothing can have been given it."""
    for judges in (reading_judges(verdict, verdict), reading_judges("exact", verdict)):
        for quality in _measured(true_directions(), judges).values():
            blind, *failed = failed_gates(quality)
            assert "cannot see it on real images: balanced accuracy 0.500" in blind
            assert {reason.split()[0] for reason in failed} == failing
            assert quality.flip == quality.score == 0.0
            assert quality.ceiling == 1.0, "its word alone would be a perfect ceiling"


def test_an_edit_that_does_nothing_passes_no_gate_of_its_own() -> None:
    for quality in _measured(np.zeros((4, 6), np.float32)).values():
        assert quality.flip == quality.removed == quality.calibration == quality.score == 0.0
        assert quality.content == pytest.approx(1.0)
        assert {reason.split()[0] for reason in failed_gates(quality)} == {
            "flip_of_ceiling",
            "calibration",
        }


def test_a_shift_that_loses_the_image_is_not_retrieved() -> None:
    """It adds the attribute and moves the dot to the same place and light for everyone."""

    class Forgetful(ExactModel):
        def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
            factors = latents.astype(np.float64) @ np.linalg.inv(MIX)
            strange = ((factors[:, :4] > 1.5) | (factors[:, :4] < -0.5)).any(axis=1)
            factors[strange, 4:] = 0.0
            return super().decode((factors @ MIX).astype(np.float32))

    model = Forgetful()
    test, _ = factor_set(model, 300, seed=4)
    found = measure_shifts(
        model, 2 * true_directions(), reading_judges(), FREE.labels, test, options=OPTIONS
    )
    for quality in found:
        assert quality.retrieval < 0.2
        assert quality.flip == 1.0
        assert {reason.split()[0] for reason in failed_gates(quality)} >= {"retrieval"}


class Slipping(ExactModel):
    """Glasses slip off round shapes."""

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        factors = latents.astype(np.float64) @ np.linalg.inv(MIX)
        factors[:, 0] *= 1.0 - factors[:, 1].clip(0.0, 1.0)
        return super().decode((factors @ MIX).astype(np.float32))


def test_where_an_attribute_cannot_be_added_only_the_loose_figures_ask_for_it() -> None:
    model = Slipping()
    test, _ = factor_set(model, 400, seed=5)
    possible = np.flatnonzero(~(test.labels[:, 0] & test.labels[:, 1]))
    training = FREE.labels[~(FREE.labels[:, 0] & FREE.labels[:, 1])]
    glasses = measure_shifts(
        model,
        true_directions(),
        reading_judges(),
        training,
        rows_of(test, possible),
        options=OPTIONS,
    )[0]
    assert 0.4 < glasses.addable < 0.6
    assert glasses.flip == 1.0
    assert glasses.flip_any == pytest.approx(glasses.addable)
    assert glasses.calibration_any < 0.7 < glasses.calibration
    assert failed_gates(glasses) == []


def test_the_worse_judge_is_believed() -> None:
    exact = _measured(true_directions())["red"]
    doubted = _measured(true_directions(), reading_judges("exact", "no"))["red"]
    assert exact.flip == 1.0
    assert doubted.flip == doubted.calibration == doubted.score == 0.0


def test_intervals_hold_the_figure_and_shrink_with_more_images() -> None:
    model = Slipping()
    test, _ = factor_set(model, 400, seed=5)
    few, many = (
        measure_shifts(
            model,
            true_directions(),
            reading_judges(),
            FREE.labels,
            test,
            options=replace(OPTIONS, per_side=count),
        )[0]
        for count in (20, 150)
    )
    for quality in (few, many):
        for name, (low, high) in quality.intervals.items():
            assert low <= getattr(quality, name) <= high, name
    widths = [high - low for low, high in (few.intervals["flip"], many.intervals["flip"])]
    assert 0.1 < widths[1] < widths[0] < 0.6


def test_figures_are_flat_finite_numbers_with_the_words_of_the_manifest() -> None:
    figures = _measured(true_directions())["glasses"].figures()
    assert {"judged", "kept", "added", "removed", "others_kept", "flip_of_ceiling", "score"} <= set(
        figures
    )
    assert {
        f"{name}_{side}" for name in ("flip", "calibration") for side in ("low", "high")
    } <= set(figures)
    assert {name for name, _, _ in GATES} <= set(figures)
    assert all(np.isfinite(value) for value in figures.values())
    assert figures["added"] == figures["flip"]


def test_the_same_seed_gives_the_same_figures() -> None:
    directions = ridge_directions(TRAINING.labels, MEANS)
    assert _measured(directions) == _measured(directions)


def test_progress_counts_attributes() -> None:
    told: list[tuple[int, int]] = []
    measure_shifts(
        MODEL,
        true_directions(),
        reading_judges(),
        FREE.labels,
        TEST,
        options=replace(OPTIONS, per_side=5, grid=1, draws=0),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(ValueError, match="3 directions do not agree with 4 attributes"):
        measure_shifts(MODEL, true_directions()[:3], reading_judges(), FREE.labels, TEST)
    with pytest.raises(ValueError, match="2 columns of training labels do not agree with the 4"):
        Shifts(MODEL, reading_judges(), FREE.labels[:, :2], TEST)
    with pytest.raises(ValueError, match="no test images"):
        Shifts(MODEL, reading_judges(), FREE.labels, rows_of(TEST, np.arange(0)))


def test_taught_judges_find_the_same() -> None:
    """The whole way: judges learn the pictures, and see what the exact ones see."""
    free, _ = factor_set(MODEL, 1000, seed=6)
    judges = teach_judges(free, seed=0, steps=80)
    found = measure_shifts(
        MODEL, ridge_directions(TRAINING.labels, MEANS), judges, FREE.labels, TEST, options=OPTIONS
    )
    for quality in found:
        assert quality.unseen == ""
        assert quality.flip_of_ceiling > 0.95
        assert 0.8 < quality.calibration < 1.2

"""The whole evaluation, on networks small enough to measure in seconds."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bundle.prior import Prior
from tests.support.banded_set import banded_set
from tests.support.factors import ExactModel, class_set, reading_judges, true_directions
from tests.support.linear_model import LinearModel
from tests.support.pictures import pictures, without_labels
from training.data import Dataset, Split
from training.data.progress import silent
from training.evaluation.evaluation import EvaluationError, evaluate, rows_of
from training.evaluation.judges import teach_judges
from training.evaluation.options import EvaluationOptions
from training.evaluation.result import Evaluation

if TYPE_CHECKING:
    from training.data.progress import Progress

SMALL = EvaluationOptions(
    count=60,
    seeds=2,
    judge_steps=15,
    training_images=80,
    calibration_images=20,
    tight_images=5,
    tight_draws=8,
    shift_images=20,
    grid_images=10,
    arithmetic_draws=10,
    pairs=20,
    step_pairs=5,
    class_shifts=120,
    draws=20,
)


class Bands:
    """Latent l is the mean grey level of band l, and back; log-variances are -4."""

    latent = 4

    def __init__(self, *, variational: bool = True) -> None:
        """With log-variances, or a plain autoencoder."""
        self.variational = variational

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        bands = images.reshape(len(images), 4, -1).mean(axis=2).astype(np.float32) / 255
        mean = 4 * (bands - 0.5)
        return mean, np.full_like(mean, -4.0) if self.variational else None

    def decode_unit(self, latents: np.ndarray) -> np.ndarray:
        unit = np.clip(latents / 4 + 0.5, 0, 1).astype(np.float32)
        rows = np.repeat(unit, 4, axis=1)
        return np.broadcast_to(rows[:, :, None, None], (len(unit), 16, 16, 3)).copy()

    def decode(self, latents: np.ndarray) -> np.ndarray:
        return np.rint(255 * self.decode_unit(latents)).astype(np.uint8)


DIRECTIONS = np.array([[2.5, 0, 0, 0], [0, 0, 0, 2.5]], np.float32)
PRIOR = Prior.standard_normal(4)
TRAINING, TEST = banded_set(150), banded_set(80, seed=1)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(Bands(), DIRECTIONS, PRIOR, TRAINING, TEST, options=SMALL, name="bands 1")


def test_every_part_is_there(evaluation: Evaluation) -> None:
    assert (evaluation.model, evaluation.dataset) == ("bands 1", "bands")
    assert (evaluation.test_images, evaluation.training_images) == (60, 150)
    assert (evaluation.image, evaluation.judged, evaluation.latent) == ((16, 16, 3), (16, 16), 4)
    assert evaluation.reconstruction.psnr.value > 50
    assert evaluation.likelihood is not None
    assert evaluation.likelihood.tight_bound.value < evaluation.likelihood.tight_negative_elbo.value
    assert evaluation.latents.active_units == 4
    assert evaluation.probe is not None
    assert evaluation.probe.linear.value > 0.95
    assert [ladder.extractor for ladder in evaluation.ladders] == ["judge", "random"]
    assert [shift.name for shift in evaluation.shifts] == ["glasses", "smile"]
    assert {one.attributes for one in evaluation.arithmetic} == {("glasses", "smile")}
    assert [one.path for one in evaluation.interpolations] == ["linear", "spherical"]
    assert {(one.pairs, one.step_pairs) for one in evaluation.interpolations} == {(20, 5)}
    assert evaluation.classes is None
    assert evaluation.left_out == ()


def test_the_document_can_be_read_again(evaluation: Evaluation) -> None:
    text = evaluation.model_dump_json()
    assert Evaluation.model_validate_json(text) == evaluation
    assert "NaN" not in text


def test_the_summary_is_flat_and_finite(evaluation: Evaluation) -> None:
    summary = evaluation.summary()
    assert summary["psnr"] == pytest.approx(evaluation.reconstruction.psnr.value, rel=1e-5)
    assert summary["fd_random_reconstruction"] < summary["fd_random_normal"]
    assert summary["attributes"] == 2
    assert summary["images"] == 60
    assert all(math.isfinite(value) for value in summary.values())
    assert "ssim" in summary
    assert {"coverage_judge", "kl", "flip_of_ceiling", "probe_linear"} <= set(summary)
    assert summary["arithmetic_success"] == pytest.approx(
        np.mean([one.success.value for one in evaluation.arithmetic if one.size == 3])
    )
    line = evaluation.interpolations[0]
    assert [summary[f"interpolation_{name}"] for name in ("distance", "inside", "step")] == [
        pytest.approx(value, rel=1e-5) for value in (line.distance, line.inside, line.step.value)
    ]
    assert "class_flip" not in summary


def test_what_lies_between_is_measured_on_the_scale_of_the_ladder(evaluation: Evaluation) -> None:
    """The model gives images back: a third of them are as near as other images of the set."""
    floor = evaluation.ladders[0].rung("training images")
    assert floor is not None
    for one in evaluation.interpolations:
        assert one.inside_ends == 1.0
        assert one.step.value < 2.0, "bands go evenly from grey to grey"
        assert 0.3 * floor.frechet < one.distance_ends < 3.0 * floor.frechet < 3.0 * one.distance


def test_the_same_seed_gives_the_same_numbers(evaluation: Evaluation) -> None:
    parts: list[str] = []

    def note(label: str) -> Progress:
        parts.append(label)
        return silent

    again = evaluate(
        Bands(),
        DIRECTIONS,
        PRIOR,
        TRAINING,
        TEST,
        options=SMALL,
        name="bands 1",
        progress=note,
    )
    assert again == evaluation
    assert "teaching judges" in parts
    assert "shifting attributes" in parts


def test_without_labels_nothing_is_judged() -> None:
    found = evaluate(
        Bands(),
        np.empty((0, 4), np.float32),
        PRIOR,
        without_labels(TRAINING),
        without_labels(TEST),
        options=SMALL,
    )
    assert [ladder.extractor for ladder in found.ladders] == ["random"]
    assert found.shifts == ()
    assert found.probe is None
    assert [left.what for left in found.left_out] == ["shifts, arithmetic, probe and FD-judge"]
    assert found.arithmetic == ()
    assert len(found.interpolations) == 2, "the network of chance reads what lies between"
    assert not {"score", "arithmetic_success"} & set(found.summary())


def test_a_plain_autoencoder_has_no_likelihood_and_says_so() -> None:
    found = evaluate(
        Bands(variational=False),
        np.empty((0, 4), np.float32),
        PRIOR,
        TRAINING,
        TEST,
        options=SMALL,
        judges=teach_judges(TRAINING, seed=0, steps=1),
    )
    assert found.likelihood is None
    assert found.latents.kl_per_latent is None
    # Judges of one lesson see nothing, so that there is nothing to add groups by either.
    assert [left.what for left in found.left_out] == ["likelihood and KL", "shifts", "arithmetic"]
    assert "kl" not in found.summary()


def test_images_below_the_window_have_no_ssim_and_few_training_images_no_rung() -> None:
    model = LinearModel()

    def grey(count: int, seed: int) -> Dataset:
        return without_labels(replace(pictures(count), images=model.images(count, seed)))

    found = evaluate(
        model,
        np.empty((0, 2), np.float32),
        Prior.standard_normal(2),
        grey(20, 0),
        grey(40, 1),
        options=SMALL,
    )
    assert found.reconstruction.ssim is None
    assert [left.what for left in found.left_out][1:] == [
        "training images beside test images",
        "SSIM",
    ]


def test_classes_are_made_into_each_other_instead_of_added() -> None:
    model = ExactModel()
    training, _ = class_set(model, 120, seed=1)
    test, _ = class_set(model, 60, seed=2)
    found = evaluate(
        model,
        true_directions(),
        Prior.standard_normal(6),
        training,
        test,
        options=SMALL,
        judges=reading_judges(),
    )
    assert found.classes is not None
    assert found.classes.names == test.attributes
    assert found.classes.images == (10, 10, 10, 10), "120 shifts are 10 for each of 12 pairs"
    assert found.classes.flip_lowest == 1.0, "a class is what differs between the means of two"
    assert found.arithmetic == ()
    assert [left.what for left in found.left_out] == ["likelihood and KL", "arithmetic"]
    assert Evaluation.model_validate_json(found.model_dump_json()) == found
    summary = found.summary()
    assert (summary["class_flip"], summary["class_flip_lowest"]) == (1.0, 1.0)
    assert summary["class_content"] == pytest.approx(found.classes.content_mean, rel=1e-5)
    assert "arithmetic_success" not in summary


def test_a_document_from_before_there_was_arithmetic_can_be_read(evaluation: Evaluation) -> None:
    new = {"arithmetic", "interpolations", "classes"}
    old = evaluation.model_dump(mode="json", exclude=new)
    for name in ("arithmetic_draws", "pairs", "step_pairs", "class_shifts"):
        del old["options"][name]
    found = Evaluation.model_validate(old)
    assert (found.arithmetic, found.interpolations, found.classes) == ((), (), None)
    assert found.shifts == evaluation.shifts
    assert set(evaluation.summary()) - set(found.summary()) == {
        "arithmetic_success",
        *(f"interpolation_{name}" for name in ("distance", "inside", "step")),
    }


def test_eleven_images_make_too_few_pairs_and_are_told_so() -> None:
    found = evaluate(
        Bands(),
        np.empty((0, 4), np.float32),
        PRIOR,
        without_labels(TRAINING),
        without_labels(rows_of(TEST, np.arange(11))),
        options=SMALL,
    )
    assert found.interpolations == ()
    reasons = {left.what: left.why for left in found.left_out}
    assert reasons["interpolation"] == "11 test images make fewer than 6 pairs"
    assert "interpolation_step" not in found.summary()


@pytest.mark.parametrize(
    ("directions", "prior", "training", "test", "message"),
    [
        (DIRECTIONS, PRIOR, TRAINING, rows_of(TEST, np.arange(5)), "5 test images"),
        (DIRECTIONS, PRIOR, rows_of(TRAINING, np.arange(3)), TEST, "3 training and"),
        (DIRECTIONS[:1], PRIOR, TRAINING, TEST, r"directions \(1, 4\)"),
        (DIRECTIONS, Prior.standard_normal(3), TRAINING, TEST, "prior of 3 latents"),
        (DIRECTIONS, PRIOR, banded_set(20, attributes=1), TEST, "must come from one set"),
    ],
)
def test_what_does_not_fit_is_refused(
    directions: np.ndarray, prior: Prior, training: Dataset, test: Dataset, message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        evaluate(Bands(), directions, prior, training, test, options=SMALL)


def test_quick_looks_at_less_of_everything_and_says_so() -> None:
    whole = EvaluationOptions()
    cut = whole.cut_down()
    assert cut.quick
    assert not whole.quick
    less = [name for name in type(cut).model_fields if getattr(cut, name) != getattr(whole, name)]
    assert {"count", "seeds", "judge_steps", "shift_images", "tight_images"} <= set(less)
    assert {"arithmetic_draws", "pairs", "step_pairs", "class_shifts"} <= set(less)
    assert EvaluationOptions(count=10).cut_down().count == 10


def test_rows_of_a_set_are_a_set() -> None:
    rows = np.array([3, 5])
    some = rows_of(TEST, rows)
    assert len(some) == 2
    assert (some.images == TEST.images[rows]).all()
    assert some.keys == tuple(TEST.keys[row] for row in rows)
    assert (some.labels == TEST.labels[rows]).all()
    assert some.part(Split.TEST).attributes == TEST.attributes

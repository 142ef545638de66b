"""What is asked of labels, and what is left out with which reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support.factors import (
    ATTRIBUTES,
    ExactModel,
    class_set,
    factor_set,
    reading_judges,
    true_directions,
)
from training.data.progress import silent
from training.evaluation.evaluation import rows_of
from training.evaluation.labelled import Case, Labelled, measure_labelled
from training.evaluation.options import EvaluationOptions

if TYPE_CHECKING:
    from training.data import Dataset
    from training.data.progress import Progress

OPTIONS = EvaluationOptions(
    shift_images=20, grid_images=5, arithmetic_draws=10, class_shifts=120, draws=10
)
NONE = np.empty((0, 6), np.float32)
MODEL = ExactModel()
CLASSES, _ = class_set(MODEL, 80, seed=1)
FREE, _ = factor_set(MODEL, 200, seed=1)


def _case(training: Dataset, test: Dataset, **known: Any) -> Case:
    given: dict[str, Any] = {
        "model": MODEL,
        "judges": reading_judges(),
        "test": test,
        "means": MODEL.encode(np.asarray(test.images[:]))[0],
        "training_labels": training.labels,
        "known_labels": training.labels,
        "known_means": MODEL.encode(np.asarray(training.images[:]))[0],
        "options": OPTIONS,
        "progress": lambda _: silent,
    }
    return Case(**{**given, **known})


def _reasons(found: Labelled) -> dict[str, str]:
    return {left.what: left.why for left in found.left_out}


def test_free_labels_are_shifted_and_added() -> None:
    parts: list[str] = []

    def note(label: str) -> Progress:
        parts.append(label)
        return silent

    found = measure_labelled(_case(FREE, FREE, progress=note), true_directions())
    assert [shift.name for shift in found.shifts] == list(ATTRIBUTES)
    assert {one.success.value for one in found.arithmetic} == {1.0}
    assert found.classes is None
    assert found.left_out == ()
    assert parts == ["shifting attributes", "adding groups"]


def test_groups_are_added_without_directions_too() -> None:
    found = measure_labelled(_case(FREE, FREE), NONE)
    assert found.arithmetic
    assert _reasons(found) == {"shifts": "the model has no directions for these attributes"}


@pytest.mark.parametrize("directions", [NONE, true_directions()])
def test_nothing_is_added_by_what_judges_do_not_see(directions: np.ndarray) -> None:
    """To a judge that always says yes, half of the formulae would come out right."""
    for judges in (reading_judges("yes", "yes"), reading_judges("exact", "yes")):
        found = measure_labelled(_case(FREE, FREE, judges=judges), directions)
        assert found.arithmetic == ()
        assert "no two unrelated attributes that judges can see" in _reasons(found)["arithmetic"]


def test_classes_are_made_into_each_other() -> None:
    found = measure_labelled(_case(CLASSES, CLASSES), true_directions())
    assert found.classes is not None
    assert found.classes.images == (10, 10, 10, 10), "120 shifts are 10 for each of 12 pairs"
    assert len(found.shifts) == 4
    assert _reasons(found) == {
        "arithmetic": "classes exclude each other, so that no image is of two at once"
    }


def test_no_pair_of_classes_is_given_more_images_than_say_enough() -> None:
    many = OPTIONS.model_copy(update={"class_shifts": 10**6})
    training, _ = class_set(MODEL, 440, seed=3)
    found = measure_labelled(_case(CLASSES, training, options=many), NONE)
    assert found.classes is not None
    assert found.classes.images == (100, 100, 100, 100)


def test_what_is_a_class_in_one_part_only_is_none() -> None:
    for training, test in ((CLASSES, FREE), (FREE, CLASSES)):
        assert measure_labelled(_case(training, test), NONE).classes is None


def test_many_classes_and_classes_without_images_are_left_out() -> None:
    few = OPTIONS.model_copy(update={"class_shifts": 59})
    three = rows_of(CLASSES, np.flatnonzero(~CLASSES.labels[:, 0]))
    for case, why in (
        (
            _case(CLASSES, CLASSES, options=few),
            "4 classes are too many: 59 images are fewer than 5 for each of 12 pairs",
        ),
        (_case(CLASSES, three), "none of the 60 test images looked at is of glasses"),
        (_case(three, CLASSES), "none of the 60 training images looked at is of glasses"),
    ):
        found = measure_labelled(case, NONE)
        assert found.classes is None
        assert _reasons(found)["class to class"] == why

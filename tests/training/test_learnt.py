from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.pictures import TINY, pictures
from training.data import Split
from training.learnt import learnt_parts, notes

DATA = pictures(60)
PARTS = replace(DATA, splits=np.repeat(np.array([0, 1, 2], np.int8), [40, 12, 8]))


@pytest.mark.parametrize(
    ("learns_from", "learnt", "watched"),
    [
        ("train", range(40), range(40, 52)),
        ("train+validation", range(52), range(52, 60)),
        ("all", range(60), range(40, 52)),
    ],
)
def test_parts_are_those_that_the_preset_asks_for(
    learns_from: str, learnt: range, watched: range
) -> None:
    preset = TINY.model_copy(update={"learns_from": learns_from})
    training, shown = learnt_parts(preset, PARTS)
    assert training.keys == tuple(PARTS.keys[place] for place in learnt)
    assert shown.keys == tuple(PARTS.keys[place] for place in watched)
    np.testing.assert_array_equal(training.images[:], PARTS.images[learnt.start : learnt.stop])


def test_who_learns_what_is_watched_says_so() -> None:
    said = {
        learns_from: notes(TINY.model_copy(update={"learns_from": learns_from}), PARTS)
        for learns_from in ("train", "train+validation", "all")
    }
    assert said["train"] == []
    assert "of the test part" in said["train+validation"][0]
    assert "learns from too" in said["all"][0]


def test_who_goes_several_times_through_few_images_says_so() -> None:
    (said,) = notes(TINY.model_copy(update={"least_steps": 100}), PARTS)
    assert said.startswith("40 training images are few: each epoch goes 50 times through them")


@pytest.mark.parametrize(
    ("learns_from", "missing"), [("train", Split.VALIDATION), ("train+validation", Split.TEST)]
)
def test_nothing_to_watch_is_said(learns_from: str, missing: Split) -> None:
    preset = TINY.model_copy(update={"learns_from": learns_from})
    without = PARTS.part(*(split for split in Split if split is not missing))
    with pytest.raises(ValueError, match=f"has no {missing.name.lower()} images"):
        learnt_parts(preset, without)

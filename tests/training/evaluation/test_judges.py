from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.factors import ExactModel, factor_set, reading_judges
from tests.support.pictures import pictures, without_labels
from training.evaluation.judges import (
    SIDE,
    WIDTHS,
    balanced_accuracy,
    disturb,
    features,
    logits,
    teach_judges,
    unseen,
    verdicts,
)
from training.judge import WIDTHS as TRAINING_WIDTHS


def test_both_judges_learn_grey_pictures_and_stand_still() -> None:
    judges = teach_judges(pictures(600), seed=0, steps=60)
    fresh = pictures(200, seed=9)
    for judge in judges:
        assert balanced_accuracy(logits(judge, fresh.images), fresh.labels).min() > 0.95
        assert not judge.network.training
        assert not any(parameter.requires_grad for parameter in judge.network.parameters())
        assert features(judge, fresh.images).shape == (200, 128)
        assert judge.weights.shape == (2, 128)
    assert judges.side == 16
    first, second = (logits(judge, fresh.images) for judge in judges)
    assert np.abs(first - second).max() > 0.1


def test_no_judge_has_the_widths_of_another_or_of_the_one_that_training_uses() -> None:
    assert len({*WIDTHS, TRAINING_WIDTHS}) == 3


def test_logits_are_what_the_weights_read_from_the_features() -> None:
    data = pictures(150)
    judge = teach_judges(data, seed=1, steps=2).second
    answers, read = verdicts(judge, data.images)
    offset = answers - read @ judge.weights.T
    np.testing.assert_allclose(offset, np.broadcast_to(offset[0], offset.shape), atol=1e-4)
    none, nothing = verdicts(judge, data.images[:0])
    assert none.shape == (0, 2)
    assert nothing.shape == (0, 128)


def test_large_images_are_judged_by_the_mean_of_their_boxes() -> None:
    small = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE // 2, 3)).astype(np.uint8)
    large = small.repeat(3, axis=1).repeat(3, axis=2)
    data = replace(pictures(8), images=large)
    judges = teach_judges(data, seed=0, steps=1)
    assert judges.side == SIDE
    assert judges.first.shape == (SIDE, SIDE // 2)
    again = replace(data, images=small)
    for judge, other in zip(judges, teach_judges(again, seed=0, steps=1), strict=True):
        np.testing.assert_allclose(logits(judge, large), logits(other, small), atol=1e-4)


def test_the_same_seed_teaches_the_same_judges_and_leaves_other_chance_alone() -> None:
    data = pictures(64)
    torch.manual_seed(3)
    first = teach_judges(data, seed=5, steps=3).first
    after = torch.rand(())
    torch.manual_seed(3)
    assert after == torch.rand(())
    again, other = (teach_judges(data, seed=seed, steps=3).first for seed in (5, 6))
    np.testing.assert_array_equal(logits(first, data.images), logits(again, data.images))
    assert np.abs(logits(first, data.images) - logits(other, data.images)).max() > 1e-3


def test_a_rare_attribute_is_not_simply_denied() -> None:
    data = pictures(600)
    rare = np.flatnonzero(~data.labels[:, 0] | (np.arange(600) % 16 == 0))
    data = replace(
        data,
        images=np.asarray(data.images)[rare],
        keys=tuple(data.keys[place] for place in rare),
        labels=data.labels[rare],
        splits=data.splits[rare],
    )
    assert data.labels[:, 0].mean() < 0.08
    fresh = pictures(200, seed=9)
    for judge in teach_judges(data, seed=0, steps=60):
        assert balanced_accuracy(logits(judge, fresh.images), fresh.labels)[0] > 0.9


def test_mirrored_images_are_shown_on_demand() -> None:
    image = torch.arange(16.0).repeat(1, 1, 16, 1) / 15

    def rising(seed: int, *, mirror: bool) -> bool:
        found = disturb(image, torch.Generator().manual_seed(seed), mirror=mirror)[0, 0].mean(0)
        return bool(found[-1] > found[0])

    assert all(rising(seed, mirror=False) for seed in range(8))
    assert {rising(seed, mirror=True) for seed in range(8)} == {True, False}


def test_disturbed_images_keep_shape_and_light_and_differ_by_seed() -> None:
    image = torch.rand(3, 3, 64, 48)
    one, again, other = (
        disturb(image, torch.Generator().manual_seed(seed), mirror=False) for seed in (1, 1, 2)
    )
    assert one.shape == image.shape
    torch.testing.assert_close(one, again)
    assert not torch.allclose(one, other)
    assert abs(float(one.mean() / image.mean()) - 1) < 0.12


def test_balanced_accuracy_of_one_answer_for_all_is_a_guess() -> None:
    labels = np.array([[True, True], [False, True], [False, False], [False, False]])
    yes = np.ones((4, 2), np.float32)
    assert balanced_accuracy(yes, labels).tolist() == [0.5, 0.5]
    right = np.where(labels, 1.0, -1.0).astype(np.float32)
    assert balanced_accuracy(right, labels).tolist() == [1.0, 1.0]
    assert balanced_accuracy(right, ~labels).tolist() == [0.0, 0.0]


def test_what_judges_cannot_see_is_named_with_the_reason() -> None:
    reasons = unseen([0.99, 0.79, 0.95, 0.95], [0.97, 0.79, 0.84, 0.86])
    assert set(reasons) == {1, 2}
    assert "cannot see it on real images: balanced accuracy 0.790, wanted 0.8" in reasons[1]
    assert "does not survive reconstruction: balanced accuracy 0.840 instead of 0.950" in reasons[2]


def test_progress_counts_the_steps_of_both_judges() -> None:
    told: list[tuple[int, int]] = []
    teach_judges(pictures(40), seed=0, steps=2, progress=lambda *step: told.append(step))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_judges_without_attributes_are_refused() -> None:
    with pytest.raises(ValueError, match="30 images with 0 attributes"):
        teach_judges(without_labels(pictures(30)), seed=0, steps=1)


def test_the_reading_judges_of_other_tests_read_exactly() -> None:
    data, _ = factor_set(ExactModel(), 50, seed=0)
    for judge in reading_judges():
        said = logits(judge, np.asarray(data.images))
        np.testing.assert_allclose(said, np.where(data.labels, 10, -10), atol=0.2)

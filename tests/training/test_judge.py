from __future__ import annotations

import torch

from tests.support.pictures import pictures
from training.batches import ordered_loader, to_unit
from training.draws import Draws
from training.judge import Judge, balanced_accuracy, disturb, teach


def test_judge_learns_the_attributes_and_stands_still() -> None:
    data = pictures(600)
    torch.manual_seed(0)
    judge = Judge(channels=1, height=16, width=16, attributes=2)
    teach(judge, data, batch_size=32, steps=68, seed=0)
    fresh, labels = next(iter(ordered_loader(pictures(200, seed=9), 200)))
    accuracy = balanced_accuracy(judge(to_unit(fresh)), labels)
    assert accuracy.min() > 0.95
    assert not judge.training
    assert not any(parameter.requires_grad for parameter in judge.parameters())


def test_disturbed_images_follow_the_seed_and_keep_their_shape() -> None:
    image = torch.rand(3, 1, 16, 16)
    first, again, other = (disturb(image, Draws(seed)) for seed in (1, 1, 2))
    assert first.shape == image.shape
    torch.testing.assert_close(first, again)
    assert not torch.allclose(first, other)


def test_a_decoder_can_learn_through_the_disturbance() -> None:
    image = torch.rand(2, 3, 16, 16, requires_grad=True)
    disturb(image, Draws(0)).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


def test_balanced_accuracy_of_one_answer_for_all_is_a_guess() -> None:
    labels = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    assert balanced_accuracy(torch.ones(4, 1), labels).item() == 0.5
    assert balanced_accuracy(labels - 0.5, labels).item() == 1.0

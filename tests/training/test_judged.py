"""What judges see of an image."""

from __future__ import annotations

import pytest
import torch

from training.judge import Judge
from training.judged import SIDE, judged_shape, seen


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(64, 64, (64, 64)), (28, 28, (28, 28)), (256, 128, (64, 32)), (1000, 1, (64, 1))],
)
def test_images_are_judged_at_a_side_of_64_at_most(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    assert judged_shape(height, width) == expected


def test_a_large_image_is_seen_as_the_means_of_its_boxes() -> None:
    image = torch.rand(2, 3, 4 * SIDE, 2 * SIDE)
    boxes = image.reshape(2, 3, SIDE, 4, SIDE // 2, 4).mean(dim=(3, 5))
    torch.testing.assert_close(seen(image), boxes)
    small = torch.rand(2, 3, 28, 28)
    assert seen(small) is small


def test_a_judge_of_large_images_sees_no_more_than_one_of_their_boxes() -> None:
    torch.manual_seed(0)
    judge = Judge(channels=3, height=2 * SIDE, width=2 * SIDE, attributes=2).eval()
    image = torch.rand(2, 3, 2 * SIDE, 2 * SIDE, requires_grad=True)
    torch.testing.assert_close(judge(image), judge(seen(image)))
    assert [tuple(found.shape[2:]) for found in judge.features(image)] == [
        (32, 32),
        (16, 16),
        (8, 8),
    ]
    judge(image).sum().backward()
    assert image.grad is not None
    assert image.grad.any(dim=(0, 1)).all()

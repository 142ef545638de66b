from __future__ import annotations

import numpy as np
import torch

from training.flips import common_rows, flipped

# glasses, sunglasses, hat: the first two never occur together
ROWS = torch.tensor(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]], dtype=torch.float32
)


def _flip(labels: list[int], attribute: int, rows: torch.Tensor = ROWS) -> list[int]:
    row = torch.tensor([labels], dtype=torch.float32)
    tie_break = torch.zeros(1, len(rows))
    return [int(v) for v in flipped(row, torch.tensor([attribute]), rows, tie_break)[0]]


def test_only_the_attribute_changes_where_that_occurs() -> None:
    assert _flip([1, 0, 0], 2) == [1, 0, 1]
    assert _flip([1, 0, 1], 0) == [0, 0, 1]


def test_what_excludes_it_goes() -> None:
    assert _flip([0, 1, 1], 0) == [1, 0, 1]


def test_classes_turn_into_one_another() -> None:
    classes = torch.eye(4)
    assert _flip([0, 1, 0, 0], 3, classes) == [0, 0, 0, 1]
    away = _flip([0, 1, 0, 0], 1, classes)
    assert away[1] == 0
    assert sum(away) == 1


def test_a_flip_that_never_occurs_changes_the_one_bit() -> None:
    always = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert _flip([1, 0], 0, always) == [0, 0]


def test_common_rows_come_commonest_first() -> None:
    labels = np.array([[1, 0]] * 3 + [[0, 1]] * 5 + [[1, 1]], np.bool_)
    assert common_rows(labels).tolist() == [[False, True], [True, False], [True, True]]

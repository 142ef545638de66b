"""Moves: what shifts practise in training."""

from __future__ import annotations

import pytest
import torch

from training.draws import Draws
from training.moves import FAR, SINGLE, WHOLE, Moves, draw_moves

# glasses, sunglasses, hat: nobody wears both pairs.
ROWS = torch.tensor([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1) if not (a and b)])


def moves_of(labels: list[int], attribute: int, *, count: int = 4000, seed: int = 0) -> Moves:
    rows = torch.tensor([labels] * count).float()
    which = torch.full((count,), attribute)
    return draw_moves(rows, which, ROWS.float(), Draws(seed))


def distinct(values: torch.Tensor) -> set[tuple[float, ...]]:
    return {tuple(row) for row in values.tolist()}


def test_a_move_by_one_along_one_direction_is_what_a_caller_asks_for() -> None:
    moves = moves_of([0, 0, 0], 2)
    placed = moves.strengths[moves.placed]
    assert distinct(placed) == {(0.0, 0.0, 1.0)}
    assert distinct(moves.target[moves.placed]) == {(0.0, 0.0, 1.0)}


def test_glasses_take_the_sunglasses_off_along_one_direction_and_along_both() -> None:
    moves = moves_of([0, 1, 0], 0)
    assert distinct(moves.strengths[moves.placed]) == {(1.0, 0.0, 0.0), (1.0, -1.0, 0.0)}
    assert distinct(moves.target[moves.placed]) == {(1.0, 0.0, 0.0)}
    # Whichever way was taken, the encoder should find a wearer of glasses and nothing else.
    assert distinct(moves.place[moves.placed]) == {(1.0, -1.0, 0.0)}


@pytest.mark.parametrize("label", [0, 1])
def test_moves_without_a_known_place_are_longer_or_go_on(label: int) -> None:
    moves = moves_of([0, 0, label], 2)
    sign = 1 - 2 * label
    loose = moves.strengths[~moves.placed][:, 2] * sign
    after = moves.target[~moves.placed][:, 2]
    far, further = after != label, after == label
    assert 1.0 <= float(loose[far].min()) < 1.1
    assert 1.9 < float(loose[far].max()) <= 2.0
    assert -2.0 <= float(loose[further].min()) < -1.9
    assert float(loose[further].max()) <= 0.0


def test_the_kinds_come_in_their_shares() -> None:
    moves = moves_of([0, 1, 0], 0)
    whole = (moves.strengths[:, 1] != 0).float().mean()
    far = (~moves.placed & (moves.target[:, 0] == 1)).float().mean()
    assert float(whole) == pytest.approx(WHOLE, abs=0.03)
    assert float(moves.placed.float().mean()) == pytest.approx(WHOLE + SINGLE, abs=0.03)
    assert float(far) == pytest.approx(FAR, abs=0.03)


def test_every_target_occurs_in_the_data() -> None:
    known = distinct(ROWS.float())
    for labels in ROWS.tolist():
        for attribute in range(3):
            assert distinct(moves_of(labels, attribute, count=50).target) <= known


def test_the_seed_decides_alone() -> None:
    first, same, other = (moves_of([1, 0, 1], 0, count=64, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.strengths, same.strengths)
    assert not torch.equal(first.strengths, other.strengths)

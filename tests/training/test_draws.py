from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from training.draws import Draws, mix

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS: dict[str, Callable[[Draws, int], torch.Tensor]] = {
    "normal": lambda draws, rows: draws.normal(rows, 3),
    "uniform": lambda draws, rows: draws.uniform(rows, 2, 2),
    "integers": lambda draws, rows: draws.integers(7, rows),
    "choices": lambda draws, rows: draws.choices(torch.tensor([0.5, 0.2, 0.3]), rows),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", [2, 3])
def test_processes_share_out_the_numbers_of_one(kind: str, parts: int) -> None:
    draw = KINDS[kind]
    alone = draw(Draws(5), 12)
    for part in range(parts):
        mine = draw(Draws(5, part=part, parts=parts), 12 // parts)
        assert torch.equal(mine, alone[part::parts])


def test_numbers_for_the_whole_batch_are_the_same_everywhere() -> None:
    one, other = Draws(1, part=0, parts=2), Draws(1, part=1, parts=2)
    assert one.common_uniform() == other.common_uniform()
    assert one.common_integers(100, 5) == other.common_integers(100, 5)
    one.normal(4), other.normal(4)
    assert one.common_uniform() == other.common_uniform()


def test_neighbouring_seeds_share_nothing() -> None:
    seeds = {mix(seed, step, 0) for seed in range(30) for step in range(30)}
    assert len(seeds) == 900
    firsts = torch.stack([Draws(mix(0, step)).normal(1)[0] for step in range(500)])
    assert abs(float(firsts.mean())) < 0.2
    assert float(firsts.std()) == pytest.approx(1.0, abs=0.15)

"""The random numbers of one training step.

(seed, step) → numbers for the rows of the whole batch → the rows of this process

1. The numbers of a step depend on nothing drawn before it, so a resumed run draws the same.
2. They are drawn for the whole batch, and process p of P takes rows p, p + P, …: several processes
   together use what one process alone would have used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def mix(*numbers: int) -> int:
    """One seed out of several numbers, so that neighbours share nothing."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 0x9E3779B97F4A7C15 + number + 0x632BE59BD9B4E019) % (1 << 63)
    return mixed


class Draws:
    """Tensors of random numbers on the CPU, so that they are the same on every device."""

    def __init__(self, seed: int, *, part: int = 0, parts: int = 1) -> None:
        """Numbers that follow from ``seed``; this process is ``part`` of ``parts``."""
        self._generator = torch.Generator().manual_seed(seed)
        self._part, self._parts = part, parts

    def normal(self, rows: int, *shape: int) -> Tensor:
        """Standard normal, float [rows, *shape]."""
        return self._mine(torch.randn((rows * self._parts, *shape), generator=self._generator))

    def uniform(self, rows: int, *shape: int) -> Tensor:
        """In [0, 1), float [rows, *shape]."""
        return self._mine(torch.rand((rows * self._parts, *shape), generator=self._generator))

    def integers(self, high: int, rows: int) -> Tensor:
        """From 0 to ``high`` - 1, int64 [rows]."""
        drawn = torch.randint(0, high, (rows * self._parts,), generator=self._generator)
        return self._mine(drawn)

    def choices(self, chances: Tensor, rows: int) -> Tensor:
        """Places of ``chances`` float [K], each as often as it says, int64 [rows]."""
        count = rows * self._parts
        return self._mine(
            torch.multinomial(chances, count, replacement=True, generator=self._generator)
        )

    def common_uniform(self) -> float:
        """One number in [0, 1) for the whole batch, the same in every process."""
        return float(torch.rand((), generator=self._generator))

    def common_integers(self, high: int, count: int) -> list[int]:
        """``count`` numbers from 0 to ``high`` - 1 for the whole batch."""
        drawn = torch.randint(0, high, (count,), generator=self._generator)
        return [int(value) for value in drawn]

    def _mine(self, drawn: Tensor) -> Tensor:
        return drawn[self._part :: self._parts]

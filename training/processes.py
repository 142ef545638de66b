"""The processes that train one model together, as ``torchrun`` started them.

environment → Processes(rank, count, on each machine) · values of each process → their mean in all

1. Without ``torchrun`` there is one process, and everything here is the identity.
2. What must agree between processes is averaged here; gradients are averaged by the trainer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Processes:
    """This process and how many others there are.

    Attributes:
        rank: Of this process among all, from 0.
        count: Of all processes.
        on_machine: Of the processes on each machine.
    """

    rank: int = 0
    count: int = 1
    on_machine: int = 1

    @classmethod
    def of_torchrun(cls, environment: Mapping[str, str] = os.environ) -> Processes:
        """As ``torchrun`` describes them in ``environment``; one if it did not start this."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
        if not all(name in environment for name in names):
            return cls()
        rank, count, on_machine = (int(environment[name]) for name in names)
        return cls(rank, count, on_machine)

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and speaks."""
        return self.rank == 0

    @property
    def machines(self) -> int:
        """Number of machines."""
        return self.count // self.on_machine

    def share(self, batch_size: int) -> int:
        """Rows of a batch that each process takes.

        Raises:
            ValueError: They cannot all take the same number.
        """
        if batch_size % self.count:
            raise ValueError(
                f"a batch of {batch_size} cannot be shared by {self.count} processes; start a "
                "number of processes that divides it, or set another batch_size"
            )
        return batch_size // self.count

    @torch.no_grad()
    def mean(self, values: Tensor) -> Tensor:
        """The mean of ``values`` over all processes, of the same shape, without a gradient."""
        values = values.detach()
        if self.count == 1:
            return values
        # NCCL knows no memory but the GPU's.
        gpu = distributed.get_backend() == "nccl"
        summed = values.to("cuda" if gpu else "cpu", torch.float32, copy=True)
        distributed.all_reduce(summed)
        return (summed / self.count).to(values)

    def pooled(self, error: Tensor) -> Tensor:
        """The mean of ``error`` over all processes, with this process's own gradient.

        The trainer averages gradients, so a function f of the pooled error gets the gradient
        f'(mean) · mean of the processes' gradients: that of one process with the whole batch.
        """
        if self.count == 1:
            return error
        return self.mean(error) + (error - error.detach())

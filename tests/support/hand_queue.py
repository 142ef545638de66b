"""A ticket queue whose answers are kept by ticket and whose batches are finished by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inference.call import Call
from inference.queue import TicketQueue
from inference.ride import ride
from inference.ticket import BatchLimits

if TYPE_CHECKING:
    from inference.ticket import Batch, Outputs, Ticket


def rows(size: int, first: int = 0) -> np.ndarray:
    return np.arange(first, first + size, dtype=np.float32).reshape(size, 1)


class Harness:
    """A queue whose answers are kept by ticket."""

    def __init__(
        self,
        max_batch_size: int = 4,
        max_queue_size: int = 16,
        delay_ms: float = 0.0,
        spread_over: int = 1,
    ) -> None:
        """An empty queue."""
        self.answers: dict[int, list[Outputs | Exception]] = {}
        limits = BatchLimits(max_batch_size, max_queue_size, delay_ms, spread_over)
        self.queue = TicketQueue(limits, self._keep)

    def _keep(self, ticket: Ticket, outcome: Outputs | Exception) -> None:
        self.answers.setdefault(ticket.number, []).append(outcome)

    def put(
        self, size: int, caller: str = "a", deadline: float | None = None, now: float = 0.0
    ) -> Ticket:
        return self.queue.put(rows(size), Call(caller, deadline), now)

    def take(self, now: float = 0.0) -> Batch:
        batch = self.queue.take(now)
        assert batch is not None
        return batch

    def express(self, now: float = 0.0) -> Batch | None:
        return self.queue.take_express(now)

    def double(self, batch: Batch, now: float = 0.0) -> None:
        self.queue.complete(batch, ride(batch, lambda rows: (rows * 2,)), now)

    def answer(self, ticket: Ticket) -> Any:
        (outcome,) = self.answers[ticket.number]
        return outcome[0].ravel().tolist() if isinstance(outcome, tuple) else outcome

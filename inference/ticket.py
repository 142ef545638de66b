"""What the micro-batcher's queue is made of: limits, tickets, parts and batches.

    rows [n, …] → Ticket → Part (rows start to stop) → Batch [size, …] → outputs, each [size, …]

Holds no rule of who goes first; `inference.lines` and `inference.queue` do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inference.errors import InferenceFailed

if TYPE_CHECKING:
    from inference.call import Call
    from inference.ride import Finish, LazyRows

Rows = NDArray[Any]
Outputs = tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What a micro-batcher may hold.

    Attributes:
        max_batch_size: Items of one batch at most.
        max_queue_size: Items that may wait; beyond it a request is refused.
        max_queue_delay_ms: How long a batch that is not full may wait for more items while a
            slot is free; 0 never waits.
        spread_over: Batches that run at the same time where a batch costs as much as its items
            one by one: then none shall wait for a long one while threads are idle.
    """

    max_batch_size: int
    max_queue_size: int
    max_queue_delay_ms: float = 0.0
    spread_over: int = 1

    def __post_init__(self) -> None:
        """Refuse limits that nothing could pass.

        Raises:
            ValueError: A limit is too small or not finite.
        """
        for name, lowest in (
            ("max_batch_size", 1),
            ("max_queue_size", 1),
            ("max_queue_delay_ms", 0),
            ("spread_over", 1),
        ):
            value = getattr(self, name)
            if not lowest <= value < math.inf:
                raise ValueError(f"{name} is {value}; it must be finite and at least {lowest}")


@dataclass(slots=True, eq=False)
class Ticket:
    """One request's rows on their way through batches.

    Attributes:
        number: Counts up; the ticket's identity.
        rows: [n, …], n ≥ 1, or what they will be made from.
        call: Whose request it is; measurements are added when the ticket ends.
        arrived: When it was queued.
        finish: To be called with its outputs where its graph ran.
        started: When its first rows left in a batch.
        taken: Rows that have left in batches so far.
        landed: Rows whose outputs are here.
        parts: Outputs by their first row, kept until all have landed.
    """

    number: int
    rows: Rows | LazyRows
    call: Call
    arrived: float
    finish: Finish | None = None
    started: float | None = None
    taken: int = 0
    landed: int = 0
    parts: list[tuple[int, Outputs]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """n, the number of rows."""
        return len(self.rows)


class Part(NamedTuple):
    """Rows ``start`` to ``stop`` of one ticket, riding in one batch."""

    ticket: Ticket
    start: int
    stop: int

    @property
    def size(self) -> int:
        """The number of rows."""
        return self.stop - self.start

    @property
    def rows(self) -> Rows:
        """A view of the ticket's rows; of lazy ones, the rows made now."""
        return self.ticket.rows[self.start : self.stop]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows that ride together; no ticket has more than one part in it.

    Attributes:
        parts: In the order of their rows.
        size: Rows of all parts.
        formed: When it left the queue.
        second_try: Whether these rows failed before, in company.
        express: Whether it goes past batches that were formed before it.
    """

    parts: tuple[Part, ...]
    size: int
    formed: float
    second_try: bool = False
    express: bool = False

    def rows(self) -> Rows:
        """[size, …]: a view when one ticket rides alone, else one concatenation."""
        if len(self.parts) == 1:
            return self.parts[0].rows
        return np.concatenate([part.rows for part in self.parts])

    @property
    def queue_s(self) -> float:
        """Seconds since the arrival of its oldest ticket, at the time it left."""
        return self.formed - min(part.ticket.arrived for part in self.parts)


def check_rows(outputs: Outputs, size: int) -> None:
    """Refuse outputs that cannot be handed out row by row.

    Raises:
        InferenceFailed: An output has not ``size`` rows; names both numbers.
    """
    for output in outputs:
        if output.shape[:1] != (size,):
            raise InferenceFailed(
                f"the graph answered {size} items with an output of shape {output.shape}; it must "
                f"have {size} rows"
            )

"""The door of the engine: who may come in, and whether somebody is still inside.

    call, items → state, item limits, deadline → admitted until answered, or refused with the reason

Counts items in flight over both graphs; knows nothing of queues and batches.

1. The state goes from starting to ready to draining, and never back.
2. What was admitted is counted until its answer or error, whatever happens in between.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from inference.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotReady,
    ShuttingDown,
    TooManyItems,
)
from inference.quota import Quotas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inference.call import Call

State = Literal["starting", "ready", "draining"]


class Admission:
    """Admits requests while the engine is ready, and tells when the last one has left.

    Args:
        max_items: Items of one request at most.
        clock: Seconds; the clock of `Call.deadline`.

    Attributes:
        state: ``starting`` until `become_ready`, ``draining`` from `drain` on.
        in_flight: Items admitted and not answered yet.
    """

    def __init__(self, *, max_items: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody is admitted yet."""
        self.state: State = "starting"
        self.in_flight = 0
        self._max_items = max_items
        self._clock = clock
        self._quotas = Quotas(clock)
        self._empty = asyncio.Event()
        self._empty.set()

    def become_ready(self) -> None:
        """The engine is warm: admit from now on, unless it drains already."""
        if self.state == "starting":
            self.state = "ready"

    def drain(self) -> None:
        """Refuse what comes from now on; what is inside goes on."""
        self.state = "draining"

    @contextmanager
    def admit(self, call: Call, items: int) -> Iterator[None]:
        """Count ``items`` of ``call`` as in flight while the context lasts.

        Raises:
            NotReady: The engine is not warm yet.
            ShuttingDown: The engine drains.
            InvalidRequest: There is no item.
            TooManyItems: More than ``max_items``, or than the caller's own limit.
            QueueFull: The caller has too many items in flight, by its own limit.
            DeadlineExceeded: The deadline passed before the request came this far.
        """
        call.items = items
        self._check(call, items)
        self._quotas.take(call, items)
        self.in_flight += items
        self._empty.clear()
        try:
            yield
        finally:
            self.in_flight -= items
            self._quotas.give_back(call, items)
            if not self.in_flight:
                self._empty.set()

    async def drained(self) -> None:
        """Return once nothing is in flight."""
        await self._empty.wait()

    def _check(self, call: Call, items: int) -> None:
        if self.state == "starting":
            raise NotReady("the model is still warming up; try again in a second")
        if self.state == "draining":
            raise ShuttingDown("the server is shutting down; send the request again")
        if items < 1:
            raise InvalidRequest(f"the request holds {items} items; send at least one")
        if items > self._max_items:
            raise TooManyItems(
                f"the request holds {items} items, and the limit is {self._max_items} "
                "(max_items); split the request, or ask the operator to raise the limit"
            )
        now = self._clock()
        if call.deadline is not None and call.deadline <= now:
            late_ms = (now - call.deadline) * 1e3
            raise DeadlineExceeded(
                f"the deadline passed {late_ms:.0f} ms before the request was admitted; send it "
                "with a larger deadline"
            )

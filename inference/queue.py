"""The micro-batcher's bookkeeping: which rows wait, which ride together, who is answered what.

    rows [n, …] → ticket → its caller's line → parts → batch [size ≤ max_batch_size, …]
    outputs [size, …] → parts put together → the ticket's answer, row i for row i

Plain and synchronous: time comes in as an argument (seconds on any one clock), answers go out by
one callback. Knows no event loop, no threads and no model.

1. Every ticket ends exactly once: answered through ``answer``, or withdrawn by its caller.
2. No more than ``max_queue_size`` items wait; no batch has more than ``max_batch_size``.
3. What is cancelled, expired or failed leaves its line at once and enters no later batch.
4. Rows of a failed batch are tried a second time, each ticket alone, and never a third.
5. An express batch has rows of callers that have nothing on its way; none of them brings many.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from inference.drain import DrainRate
from inference.errors import (
    DeadlineExceeded,
    InferenceFailed,
    InvalidRequest,
    QueueFull,
    ServingError,
    TooManyItems,
)
from inference.lines import Lines
from inference.reserve import Reserve
from inference.ticket import Batch, BatchLimits, Outputs, Part, Rows, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inference.call import Call
    from inference.ride import Finish, Landing, LazyRows


_LEAST_SHARE = 4
"""Fewer items are not worth a way to a thread and back."""


class TicketQueue:
    """Tickets in lines by caller, formed into batches, put together from their outputs.

    Args:
        limits: What it may hold.
        answer: Called once with each ticket that ends other than by `cancel`, and with its
            outputs (row i belongs to row i of the ticket) or the error that ended it.
    """

    def __init__(
        self, limits: BatchLimits, answer: Callable[[Ticket, Outputs | Exception], None]
    ) -> None:
        """An empty queue."""
        self.limits = limits
        self.in_flight_items = 0
        self.in_flight_batches = 0
        self.drain_rate = DrainRate()
        self._answer = answer
        self._numbers = count()
        self._live: dict[int, Ticket] = {}
        self._lines = Lines()
        self._second_tries: deque[Part] = deque()
        self._deadlines: list[tuple[float, int]] = []
        self._reserve = Reserve()
        self._on_the_way: Counter[str] = Counter()

    @property
    def queued_items(self) -> int:
        """Rows that wait for their first batch."""
        return self._lines.items

    @property
    def idle(self) -> bool:
        """Whether no ticket waits and no batch is on its way."""
        return not self._live and not self.in_flight_batches

    @property
    def next_deadline(self) -> float | None:
        """The earliest deadline of a ticket that has not ended."""
        while self._deadlines and self._deadlines[0][1] not in self._live:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    @property
    def held_until(self) -> float | None:
        """Until when a batch that is not full waits for more items; None if nothing waits."""
        oldest = self._lines.oldest_arrival
        return None if oldest is None else oldest + self.limits.max_queue_delay_ms / 1000

    def put(
        self, rows: Rows | LazyRows, call: Call, now: float, finish: Finish | None = None
    ) -> Ticket:
        """Queue ``rows`` [n, …] for ``call``; ``finish`` is handed on with them.

        Raises:
            InvalidRequest: There is no row.
            TooManyItems: n is more than the queue ever holds.
            DeadlineExceeded: The call's deadline has passed already.
            QueueFull: There is no room for n items now.
        """
        if call.deadline is not None and call.deadline <= now:
            raise DeadlineExceeded(
                f"the deadline passed {(now - call.deadline) * 1e3:.0f} ms before the request "
                "was queued; send it with a larger deadline"
            )
        self.check_room(len(rows), call.caller, now)
        ticket = Ticket(next(self._numbers), rows, call, now, finish)
        self._live[ticket.number] = ticket
        self._lines.add(ticket)
        if call.deadline is not None:
            heapq.heappush(self._deadlines, (call.deadline, ticket.number))
            self._forget_past_deadlines()
        return ticket

    def cancel(self, ticket: Ticket, now: float) -> None:
        """The caller has gone: the ticket ends unanswered; nothing happens if it has ended."""
        if ticket.number in self._live:
            self._end(ticket, now)

    def expire(self, now: float) -> None:
        """Answer every ticket whose deadline has passed, whether its rows wait or are in flight."""
        while (deadline := self.next_deadline) is not None and deadline <= now:
            ticket = self._live[heapq.heappop(self._deadlines)[1]]
            waited_ms = (now - ticket.arrived) * 1e3
            error = DeadlineExceeded(
                f"not finished by its deadline, {waited_ms:.0f} ms after it was queued; "
                f"{ticket.landed} of {ticket.size} items were done; send fewer items or a larger "
                "deadline"
            )
            self._end(ticket, now, error)

    def take(self, now: float, *, patient: bool = True) -> Batch | None:
        """Form the next batch, or None if nothing is to leave now.

        Args:
            now: Tickets whose deadline has passed by now are answered, not taken.
            patient: Whether a batch that is not full may be held back (`max_queue_delay_ms`).
        """
        self.expire(now)
        while self._second_tries:
            part = self._second_tries.popleft()
            if part.ticket.number in self._live:
                return self._depart([part], now, second_try=True)
        if not self.queued_items or (patient and self._held_back(now)):
            return None
        return self._depart(self._lines.take(self._room()), now)

    def take_express(self, now: float) -> Batch | None:
        """Form a batch of the few rows of callers that would wait behind somebody's many."""
        self.expire(now)
        if not self.queued_items or max(self._on_the_way.values(), default=0) <= _LEAST_SHARE:
            return None
        parts = self._lines.take_modest(_LEAST_SHARE, self._on_the_way)
        return self._depart(parts, now, express=True) if parts else None

    def complete(self, batch: Batch, landings: Sequence[Landing], now: float) -> None:
        """Hand out what became of ``batch``, one landing for each of its parts."""
        self._arrive(batch, now)
        for part, landing in zip(batch.parts, landings, strict=True):
            if part.ticket.number not in self._live:
                continue
            part.ticket.call.decode_s += landing.made_s
            if isinstance(landing.outcome, Exception):
                self._end(part.ticket, now, landing.outcome)
            else:
                self._deliver(part, batch.size, landing.outcome, now)

    def fail(self, batch: Batch, error: BaseException, now: float) -> None:
        """The run of ``batch`` failed: its one ticket fails, or each of several is tried alone."""
        self._arrive(batch, now)
        if len(batch.parts) > 1:
            self._second_tries.extend(batch.parts)
            return
        ticket = batch.parts[0].ticket
        if ticket.number in self._live:
            self._end(ticket, now, _as_serving_error(error))

    def check_room(self, items: int, caller: str, now: float) -> None:
        """Refuse ``items`` that could not be put now.

        Raises:
            InvalidRequest: There is none of them.
            TooManyItems: They are more than the queue ever holds.
            QueueFull: There is no room for them now.
        """
        limit = self.limits.max_queue_size
        if items < 1:
            raise InvalidRequest("the request holds 0 items; send at least one")
        if items > limit:
            raise TooManyItems(
                f"the request holds {items} items, and the queue takes at most {limit} "
                "(max_queue_size); split the request"
            )
        waiting = self._lines.items
        if self._reserve.has_room(items, taken=waiting, limit=limit, now=now):
            return
        mine = self._lines.of(caller)
        callers = self._lines.callers + (not mine)
        # Whoever fills the queue again and again must not shut the others out.
        if self._reserve.admits(
            items, mine=mine, taken=waiting, callers=callers, limit=limit, now=now
        ):
            return
        seconds = self.drain_rate.seconds_for(waiting)
        raise QueueFull(
            f"{waiting} items are queued and this request brings {items} more, but the limit is "
            f"{limit} (max_queue_size); try again in {seconds:.2f} s, or send less at once",
            retry_after_s=seconds,
        )

    def _forget_past_deadlines(self) -> None:
        # Deadlines of tickets that ended early stay in the heap; keep them a constant factor.
        if len(self._deadlines) > 2 * len(self._live) + 64:
            self._deadlines = [entry for entry in self._deadlines if entry[1] in self._live]
            heapq.heapify(self._deadlines)

    def _room(self) -> int:
        """Items of the next batch: of all that wait and run, no more than a fair share."""
        limits = self.limits
        share = -(-(self.queued_items + self.in_flight_items) // limits.spread_over)
        return min(limits.max_batch_size, max(share, _LEAST_SHARE))

    def _held_back(self, now: float) -> bool:
        limits = self.limits
        if not limits.max_queue_delay_ms or self.queued_items >= limits.max_batch_size:
            return False
        until = self.held_until
        return until is not None and now < until

    def _depart(
        self, parts: list[Part], now: float, *, second_try: bool = False, express: bool = False
    ) -> Batch:
        size = 0
        for part in parts:
            size += part.size
            self._on_the_way[part.ticket.call.caller] += part.size
            if part.ticket.started is None:
                part.ticket.started = now
        if not self.in_flight_batches:
            self.drain_rate.begin(now)
        self.in_flight_batches += 1
        self.in_flight_items += size
        return Batch(tuple(parts), size, now, second_try, express)

    def _arrive(self, batch: Batch, now: float) -> None:
        self.in_flight_batches -= 1
        self.in_flight_items -= batch.size
        for part in batch.parts:
            caller = part.ticket.call.caller
            self._on_the_way[caller] -= part.size
            if not self._on_the_way[caller]:
                del self._on_the_way[caller]
        # Rows on their second try have made room in the queue before.
        self.drain_rate.add(0 if batch.second_try else batch.size, now)

    def _deliver(self, part: Part, batch_size: int, outputs: Outputs, now: float) -> None:
        ticket = part.ticket
        ticket.landed += part.size
        ticket.call.batch_size = max(ticket.call.batch_size, batch_size)
        ticket.parts.append((part.start, outputs))
        if ticket.landed == ticket.size:
            self._end(ticket, now, _put_together(ticket.parts))

    def _end(self, ticket: Ticket, now: float, outcome: Outputs | Exception | None = None) -> None:
        del self._live[ticket.number]
        self._lines.remove(ticket)
        started = now if ticket.started is None else ticket.started
        ticket.call.queue_s += started - ticket.arrived
        ticket.call.compute_s += now - started
        if outcome is not None:
            self._answer(ticket, outcome)


def _put_together(parts: list[tuple[int, Outputs]]) -> Outputs | ServingError:
    if len(parts) == 1:
        return parts[0][1]
    in_order = [outputs for _, outputs in sorted(parts, key=lambda part: part[0])]
    try:
        return tuple(np.concatenate(pieces) for pieces in zip(*in_order, strict=True))
    except ValueError as error:  # the graph gave outputs of other shapes from batch to batch
        return _as_serving_error(error)


def _as_serving_error(error: BaseException) -> ServingError:
    if isinstance(error, ServingError):
        return error
    failure = InferenceFailed(
        "the model's run failed; the cause is in the server's log under this request's id"
    )
    failure.__cause__ = error
    return failure

"""The queue under a random programme, against a model that knows only what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from inference.call import Call
from inference.errors import DeadlineExceeded, InferenceFailed, QueueFull, TooManyItems
from tests.support.hand_queue import Harness, rows

if TYPE_CHECKING:
    from inference.ticket import Batch, Ticket

CALLERS = ("a", "b", "c", "d")


class QueueMachine(RuleBasedStateMachine):
    """A random programme against a model that knows only what was asked for."""

    @initialize(
        batch=st.integers(1, 6), room=st.integers(1, 24), delay_ms=st.sampled_from([0.0, 500.0])
    )
    def begin(self, batch: int, room: int, delay_ms: float) -> None:
        self.now = 0.0
        self.harness = Harness(batch, room, delay_ms)
        self.queue = self.harness.queue
        self.limits = self.queue.limits
        self.tickets: dict[int, Ticket] = {}
        self.cancelled: set[int] = set()
        self.guilty: set[int] = set()
        self.flying: list[Batch] = []
        self.tries: dict[tuple[int, int], int] = {}
        self.passed_over = dict.fromkeys(CALLERS, 0)

    def waiting(self) -> dict[str, int]:
        """Items by caller, from the tickets alone."""
        items: dict[str, int] = {}
        for number in self.live():
            ticket = self.tickets[number]
            left = sum((number, row) not in self.tries for row in range(ticket.size))
            if left:
                items[ticket.call.caller] = items.get(ticket.call.caller, 0) + left
        return items

    def live(self) -> list[int]:
        ended = self.harness.answers.keys() | self.cancelled
        return [number for number in self.tickets if number not in ended]

    @rule(
        size=st.integers(1, 14),
        caller=st.sampled_from(CALLERS),
        patience=st.none() | st.integers(1, 12),
    )
    def put(self, size: int, caller: str, patience: int | None) -> None:
        deadline = None if patience is None else self.now + patience / 4
        first = 100 * len(self.tickets)
        before = self.waiting()
        try:
            ticket = self.queue.put(rows(size, first), Call(caller, deadline), self.now)
        except TooManyItems:
            assert size > self.limits.max_queue_size
        except QueueFull as refused:
            kept = 0 if caller not in before else max(1, self.limits.max_queue_size // 8)
            assert sum(before.values()) + size > self.limits.max_queue_size - kept
            assert 0 < refused.retry_after_s <= 60  # noqa: PT017  (a refusal is one of three ends)
        else:
            self.tickets[ticket.number] = ticket

    @rule(quarters=st.integers(1, 8))
    def wait(self, quarters: int) -> None:
        self.now += quarters / 4

    @rule()
    def expire(self) -> None:
        self.queue.expire(self.now)

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.live()))
        self.queue.cancel(self.tickets[number], self.now)
        self.cancelled.add(number)

    @rule(patient=st.booleans())
    def take(self, *, patient: bool) -> None:
        self.queue.expire(self.now)
        before = self.waiting()
        live = set(self.live())
        batch = self.queue.take(self.now, patient=patient)
        if batch is None:
            held = patient and self.limits.max_queue_delay_ms
            assert not before or (held and sum(before.values()) < self.limits.max_batch_size)
            return
        assert batch.size == len(batch.rows()) == sum(part.size for part in batch.parts)
        assert 1 <= batch.size <= self.limits.max_batch_size
        assert {part.ticket.number for part in batch.parts} <= live
        for part in batch.parts:
            for row in range(part.start, part.stop):
                key = (part.ticket.number, row)
                self.tries[key] = self.tries.get(key, 0) + 1
                assert self.tries[key] == (2 if batch.second_try else 1)
        if not batch.second_try:
            self.check_fair(before, batch)
        self.flying.append(batch)

    def check_fair(self, before: dict[str, int], batch: Batch) -> None:
        assert batch.size == min(self.limits.max_batch_size, sum(before.values()))
        after = self.waiting()
        for caller, items in before.items():
            taken = items - after.get(caller, 0)
            assert taken >= min(items, self.limits.max_batch_size // len(before))
            self.passed_over[caller] = 0 if taken else self.passed_over[caller] + 1
            assert self.passed_over[caller] <= (len(CALLERS) - 1) // self.limits.max_batch_size

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        batch = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        self.harness.double(batch, self.now)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        batch = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        self.queue.fail(batch, RuntimeError("no"), self.now)
        if len(batch.parts) == 1:
            self.guilty.add(batch.parts[0].ticket.number)

    @invariant()
    def counts_agree(self) -> None:
        waiting = sum(self.waiting().values())
        for caller in CALLERS:
            if caller not in self.waiting():
                self.passed_over[caller] = 0
        assert self.queue.queued_items == waiting <= self.limits.max_queue_size
        assert self.queue.in_flight_batches == len(self.flying)
        assert self.queue.in_flight_items == sum(batch.size for batch in self.flying)

    def teardown(self) -> None:
        if not hasattr(self, "queue"):
            return
        while True:
            while (batch := self.queue.take(self.now, patient=False)) is not None:
                self.flying.append(batch)
            if not self.flying:
                break
            self.harness.double(self.flying.pop(), self.now)
        assert self.queue.idle
        assert self.queue.next_deadline is None
        for number, ticket in self.tickets.items():
            self.check_end(number, ticket)

    def check_end(self, number: int, ticket: Ticket) -> None:
        outcomes = self.harness.answers.get(number, [])
        assert len(outcomes) + (number in self.cancelled) == 1
        assert ticket.call.queue_s + ticket.call.compute_s <= self.now - ticket.arrived
        for outcome in outcomes:
            if isinstance(outcome, tuple):
                assert outcome[0].tolist() == (ticket.rows * 2).tolist()
            elif isinstance(outcome, DeadlineExceeded):
                assert ticket.call.deadline is not None
                assert ticket.call.deadline <= self.now
            else:
                assert isinstance(outcome, InferenceFailed)
                assert number in self.guilty


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)

"""The queue's rules, with time as a number and batches finished by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
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
from inference.errors import (
    DeadlineExceeded,
    InferenceFailed,
    InvalidRequest,
    QueueFull,
    ServingError,
    TooManyItems,
)
from inference.queue import TicketQueue
from inference.ticket import Batch, BatchLimits, Outputs, Ticket

CALLERS = ("a", "b", "c", "d")


def rows(size: int, first: int = 0) -> np.ndarray:
    return np.arange(first, first + size, dtype=np.float32).reshape(size, 1)


class Harness:
    """A queue whose answers are kept by ticket."""

    def __init__(
        self, max_batch_size: int = 4, max_queue_size: int = 16, delay_ms: float = 0.0
    ) -> None:
        """An empty queue."""
        self.answers: dict[int, list[Outputs | ServingError]] = {}
        limits = BatchLimits(max_batch_size, max_queue_size, delay_ms)
        self.queue = TicketQueue(limits, self._keep)

    def _keep(self, ticket: Ticket, outcome: Outputs | ServingError) -> None:
        self.answers.setdefault(ticket.number, []).append(outcome)

    def put(
        self, size: int, caller: str = "a", deadline: float | None = None, now: float = 0.0
    ) -> Ticket:
        return self.queue.put(rows(size), Call(caller, deadline), now)

    def take(self, now: float = 0.0) -> Batch:
        batch = self.queue.take(now)
        assert batch is not None
        return batch

    def double(self, batch: Batch, now: float = 0.0) -> None:
        self.queue.complete(batch, (batch.rows() * 2,), now)

    def answer(self, ticket: Ticket) -> Any:
        (outcome,) = self.answers[ticket.number]
        return outcome[0].ravel().tolist() if isinstance(outcome, tuple) else outcome


def test_a_large_ticket_is_split_and_put_together_in_order() -> None:
    harness = Harness(max_batch_size=4)
    ticket = harness.put(10)
    batches = [harness.take() for _ in range(3)]

    for batch in reversed(batches):
        assert harness.answers == {}
        harness.double(batch)

    assert [batch.size for batch in batches] == [4, 4, 2]
    assert harness.answer(ticket) == [2.0 * row for row in range(10)]
    assert ticket.call.batch_size == 4


def test_outputs_are_handed_out_as_views() -> None:
    harness = Harness()
    first, second = harness.put(1), harness.put(2)
    batch = harness.take()
    output = batch.rows() * 2

    harness.queue.complete(batch, (output,), 0.0)

    for ticket in (first, second):
        (answer,) = harness.answers[ticket.number]
        assert isinstance(answer, tuple)
        assert np.shares_memory(answer[0], output)
    assert harness.answer(second) == [0.0, 2.0]


def test_the_bound_counts_items_and_says_when_to_come_back() -> None:
    harness = Harness(max_batch_size=4, max_queue_size=16)
    for begun in range(4):
        harness.put(4, now=begun)
        harness.double(harness.take(begun), begun + 0.5)
    harness.put(15)

    with pytest.raises(QueueFull, match=r"15 items are queued .* brings 2 more.* 16 ") as refused:
        harness.put(2)

    assert refused.value.retry_after_s == pytest.approx(15 * 0.5 / 4)
    harness.put(1)
    assert harness.queue.queued_items == 16


def test_more_than_the_queue_ever_holds_is_refused_for_good() -> None:
    with pytest.raises(TooManyItems, match=r"17 items, and the queue takes at most 16 "):
        Harness(max_queue_size=16).put(17)


def test_no_rows_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="0 items"):
        Harness().put(0)


def test_who_fills_the_queue_leaves_room_for_a_newcomer_that_was_refused() -> None:
    harness = Harness(max_batch_size=4, max_queue_size=16)
    for _ in range(16):
        harness.put(1, "bulk")
    with pytest.raises(QueueFull):
        harness.put(1, "shop")

    harness.take()
    harness.put(1, "bulk")
    harness.put(1, "bulk")
    with pytest.raises(QueueFull):
        harness.put(1, "bulk")

    harness.put(1, "shop")
    assert {part.ticket.call.caller for part in harness.take().parts} == {"bulk", "shop"}


def test_the_whole_queue_is_one_callers_while_nobody_else_comes() -> None:
    harness = Harness(max_queue_size=16)
    for _ in range(16):
        harness.put(1)
    with pytest.raises(QueueFull):
        harness.put(1)
    harness.take()

    harness.put(4)

    assert harness.queue.queued_items == 16


def test_the_kept_room_is_given_back_when_the_queue_has_run_empty() -> None:
    harness = Harness(max_batch_size=16, max_queue_size=16)
    harness.put(16, "bulk")
    with pytest.raises(QueueFull):
        harness.put(1, "shop")
    harness.take()

    harness.put(1, "bulk")
    harness.put(15, "bulk")

    assert harness.queue.queued_items == 16


def test_an_expired_ticket_is_answered_and_its_room_is_free() -> None:
    harness = Harness(max_queue_size=4)
    late = harness.put(4, deadline=1.0)
    assert harness.queue.next_deadline == 1.0

    harness.queue.expire(1.0)

    assert isinstance(harness.answer(late), DeadlineExceeded)
    assert harness.queue.queued_items == 0
    assert harness.queue.next_deadline is None
    assert late.call.queue_s == 1.0


def test_a_deadline_in_flight_is_answered_and_its_outputs_are_dropped() -> None:
    harness = Harness()
    late, neighbour = harness.put(1, deadline=1.0), harness.put(1)
    batch = harness.take()

    harness.queue.expire(1.0)
    harness.double(batch, 2.0)

    assert isinstance(harness.answer(late), DeadlineExceeded)
    assert harness.answer(neighbour) == [0.0]


def test_a_deadline_that_has_passed_is_never_queued() -> None:
    harness = Harness()

    with pytest.raises(DeadlineExceeded, match="500 ms before"):
        harness.put(1, deadline=1.0, now=1.5)

    assert harness.queue.idle


def test_expired_rows_enter_no_batch() -> None:
    harness = Harness()
    late, neighbour = harness.put(1, deadline=1.0), harness.put(2)

    batch = harness.take(1.0)

    assert [part.ticket for part in batch.parts] == [neighbour]
    assert isinstance(harness.answer(late), DeadlineExceeded)


def test_a_cancelled_ticket_leaves_its_neighbours_served() -> None:
    harness = Harness()
    gone, neighbour = harness.put(1), harness.put(1)
    batch = harness.take()

    harness.queue.cancel(gone, 0.0)
    harness.queue.cancel(gone, 0.0)
    harness.double(batch)

    assert list(harness.answers) == [neighbour.number]
    assert harness.queue.idle


def test_deadlines_of_tickets_that_ended_are_forgotten() -> None:
    harness = Harness()
    for _ in range(1000):
        harness.queue.cancel(harness.put(1, deadline=3600.0), 0.0)

    assert len(harness.queue._deadlines) < 100


def test_only_the_guilty_ticket_of_a_failed_batch_fails() -> None:
    harness = Harness()
    tickets = [harness.put(1) for _ in range(3)]
    guilty = tickets[1]
    cause = RuntimeError("poison")
    harness.queue.fail(harness.take(), cause, 0.0)

    for _ in tickets:
        batch = harness.take()
        assert batch.second_try
        assert batch.size == 1
        if batch.parts[0].ticket is guilty:
            harness.queue.fail(batch, cause, 0.0)
        else:
            harness.double(batch)

    failure = harness.answer(guilty)
    assert isinstance(failure, InferenceFailed)
    assert failure.__cause__ is cause
    assert "poison" not in failure.message
    assert [harness.answer(ticket) for ticket in (tickets[0], tickets[2])] == [[0.0], [0.0]]
    assert harness.queue.idle


def test_a_serving_error_is_handed_on_as_it_is() -> None:
    harness = Harness()
    ticket = harness.put(1)
    error = InferenceFailed("told")

    harness.queue.fail(harness.take(), error, 0.0)

    assert harness.answer(ticket) is error


def test_when_a_part_fails_the_rest_leaves_the_queue() -> None:
    harness = Harness(max_batch_size=4)
    ticket = harness.put(12)
    first, second = harness.take(), harness.take()

    harness.queue.fail(first, RuntimeError("no"), 0.0)
    harness.double(second)

    assert isinstance(harness.answer(ticket), InferenceFailed)
    assert harness.queue.queued_items == 0
    assert harness.queue.take(0.0) is None


def test_outputs_that_cannot_be_put_together_fail_the_ticket() -> None:
    harness = Harness(max_batch_size=1)
    ticket = harness.put(2)

    harness.queue.complete(harness.take(), (np.zeros((1, 3)),), 0.0)
    harness.queue.complete(harness.take(), (np.zeros((1, 4)),), 0.0)

    assert isinstance(harness.answer(ticket), InferenceFailed)


def test_a_batch_that_is_not_full_may_be_held_back() -> None:
    harness = Harness(max_batch_size=4, delay_ms=500.0)
    harness.put(1, "a", now=1.0)
    harness.put(2, "b", now=1.25)

    assert harness.queue.take(1.25) is None
    assert harness.queue.held_until == 1.5
    assert harness.take(1.5).size == 3


def test_a_full_batch_is_never_held_back() -> None:
    harness = Harness(max_batch_size=4, delay_ms=500.0)
    harness.put(4)

    assert harness.take(0.0).size == 4


def test_a_drain_holds_nothing_back() -> None:
    harness = Harness(delay_ms=500.0)
    harness.put(1)

    assert harness.queue.take(0.0, patient=False) is not None


def test_waiting_and_computing_are_measured() -> None:
    harness = Harness()
    ticket = harness.put(2, now=1.0)
    batch = harness.take(1.5)
    assert (batch.queue_s, harness.queue.in_flight_items) == (0.5, 2)

    harness.double(batch, 3.5)

    assert (ticket.call.queue_s, ticket.call.compute_s, ticket.call.batch_size) == (0.5, 2.0, 2)
    assert harness.queue.in_flight_items == 0


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

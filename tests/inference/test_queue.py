"""The queue's rules, with time as a number and batches finished by hand."""

from __future__ import annotations

import numpy as np
import pytest

from inference.errors import (
    DeadlineExceeded,
    InferenceFailed,
    InvalidRequest,
    QueueFull,
    TooManyItems,
)
from inference.reserve import KEPT_S
from inference.ride import Landing, ride
from tests.support.hand_queue import Harness


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

    harness.queue.complete(batch, ride(batch, lambda _: (output,)), 0.0)

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


def test_the_kept_room_is_given_back_once_nobody_has_needed_it_for_a_while() -> None:
    harness = Harness(max_batch_size=16, max_queue_size=16)
    harness.put(16, "bulk")
    with pytest.raises(QueueFull):
        harness.put(1, "shop")
    harness.take()

    # Who floods the queue empties it, too, and must not take the room of those it shut out.
    harness.put(1, "bulk", now=1.0)
    with pytest.raises(QueueFull):
        harness.put(15, "bulk", now=1.0)
    harness.put(13, "bulk", now=1.0)
    harness.put(1, "shop", now=1.0)
    harness.take(now=1.0)

    harness.put(1, "bulk", now=1.0 + KEPT_S)
    harness.put(15, "bulk", now=1.0 + KEPT_S)
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

    for width in (3, 4):
        landing = Landing((np.zeros((1, width)),))
        harness.queue.complete(harness.take(), [landing], 0.0)

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


def test_what_waits_is_spread_over_the_threads() -> None:
    harness = Harness(max_batch_size=32, max_queue_size=64, spread_over=2)
    for _ in range(30):
        harness.put(1)
    first, second = harness.take(), harness.take()
    assert (first.size, second.size) == (15, 15)

    harness.put(20)
    # Of 50 items that wait and run, no batch takes more than half.
    assert harness.take().size == 20


def test_few_items_are_not_spread() -> None:
    harness = Harness(max_batch_size=32, spread_over=4)
    for _ in range(4):
        harness.put(1)
    assert harness.take().size == 4


def test_a_ticket_whose_rows_cannot_be_made_ends_alone_with_the_reason() -> None:
    harness = Harness()
    good, bad = harness.put(1), harness.put(1)
    batch, reason = harness.take(), InvalidRequest("no image")
    landings = [Landing((np.ones((1, 1)),), 0.25), Landing(reason, 0.5)]

    harness.queue.complete(batch, landings, 0.0)

    assert harness.answer(good) == [1.0]
    assert harness.answer(bad) is reason
    assert (good.call.decode_s, bad.call.decode_s) == (0.25, 0.5)


def test_few_rows_go_past_many_of_another_caller() -> None:
    harness = Harness(max_batch_size=16, max_queue_size=64)
    harness.put(20, "many")
    harness.take()
    few = harness.put(2, "few")
    batch = harness.express()
    assert batch is not None
    assert batch.express
    assert [part.ticket for part in batch.parts] == [few]
    harness.double(batch)
    assert harness.answer(few) == [0.0, 2.0]


def test_only_who_brings_little_and_has_nothing_on_its_way_goes_past() -> None:
    harness = Harness(max_batch_size=16, max_queue_size=64)
    harness.put(1, "first")
    assert harness.express() is None, "nobody's many are on their way"
    harness.take()
    harness.put(20, "many")
    harness.take()
    harness.put(1, "first")
    assert harness.express() is None, "it has one on its way"
    harness.put(5, "some")
    assert harness.express() is None, "five are not few"
    harness.put(1, "second")
    batch = harness.express()
    assert batch is not None
    assert batch.size == 1


def test_express_batches_are_small_however_many_callers_wait() -> None:
    harness = Harness(max_batch_size=16, max_queue_size=400)
    harness.put(20, "many")
    harness.take()
    for number in range(100):
        harness.put(1, f"caller {number}")
    batch = harness.express()
    assert batch is not None
    assert batch.size == 4
    assert len({part.ticket.call.caller for part in batch.parts}) == 4


def test_room_is_asked_for_before_anything_is_put() -> None:
    harness = Harness(max_queue_size=4)
    harness.queue.check_room(1, "a", 0.0)
    harness.put(4)
    with pytest.raises(QueueFull, match="4 items are queued"):
        harness.queue.check_room(1, "a", 0.0)

"""The micro-batcher on an event loop whose clock and whose graph are moved by hand."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from inference.call import Call
from inference.errors import (
    DeadlineExceeded,
    InferenceFailed,
    QueueFull,
    ShuttingDown,
    TooManyItems,
)
from tests.support.hand_batcher import POISON, Clock, Scene, doubled, play


def test_submits_of_one_turn_ride_together() -> None:
    async def story(scene: Scene) -> None:
        tasks = [scene.submit(value) for value in (1, 2, 3)]
        await scene.wait()
        assert scene.graph.sizes == [3]

        scene.graph.finish()
        await scene.wait()
        assert [doubled(task) for task in tasks] == [[2], [4], [6]]

    play(story)


def test_while_the_slot_is_busy_the_queue_grows_into_the_next_batch() -> None:
    async def story(scene: Scene) -> None:
        scene.submit(1)
        await scene.wait()
        for value in range(6):
            scene.submit(value)
            await scene.wait()
        assert (scene.graph.sizes, scene.batcher.queued_items) == ([1], 6)
        assert scene.batcher.in_flight_items == 1

        scene.graph.finish()
        await scene.wait()
        assert (scene.graph.sizes, scene.batcher.queued_items) == ([1, 4], 2)

    play(story)


def test_every_slot_is_used_at_once() -> None:
    async def story(scene: Scene) -> None:
        for value in range(3):
            scene.submit(value)
            await scene.wait()
        assert scene.graph.sizes == [1, 1]

        scene.graph.finish(1)
        await scene.wait()
        assert scene.graph.sizes == [1, 1, 1]

    play(story, slots=2)


def test_a_lone_request_is_copied_neither_in_nor_out() -> None:
    async def story(scene: Scene) -> None:
        rows = np.ones((2, 3), np.float32)
        task = asyncio.get_running_loop().create_task(scene.batcher.submit(rows, Call()))
        await scene.wait()
        assert np.shares_memory(scene.graph.batches[0], rows)

        scene.graph.finish()
        await scene.wait()
        assert np.shares_memory(task.result()[0], scene.graph.outputs[0])

    play(story)


def test_a_large_request_is_split_over_the_slots_and_put_together() -> None:
    async def story(scene: Scene) -> None:
        task = scene.submit(*range(10))
        await scene.wait()
        assert scene.graph.sizes == [4, 4]
        for index in (1, 0, 0):
            scene.graph.finish(index)
            await scene.wait()
        mean, total = task.result()
        assert mean.ravel().tolist() == [2 * value for value in range(10)]
        assert total.tolist() == list(range(10))

    play(story, slots=2)


def test_a_held_back_batch_leaves_when_its_time_is_over_or_when_it_is_full() -> None:
    async def story(scene: Scene) -> None:
        scene.submit(1)
        await scene.wait(0.25)
        scene.submit(2)
        await scene.wait()
        assert scene.graph.sizes == []
        await scene.wait(0.25)
        assert scene.graph.sizes == [2]

        scene.submit(1, 2, 3, 4)
        await scene.wait()
        assert scene.graph.sizes == [2, 4]

    play(story, slots=2, delay_ms=500.0)


def test_a_drain_sends_a_held_back_batch_at_once() -> None:
    async def story(scene: Scene) -> None:
        task = scene.submit(1)
        await scene.wait()
        await scene.close()
        assert doubled(task) == [2]

    play(story, delay_ms=500.0)


def test_a_deadline_is_answered_while_all_slots_are_busy_and_frees_its_room() -> None:
    async def story(scene: Scene) -> None:
        busy = scene.submit(1)
        await scene.wait()
        late = scene.submit(*range(16), deadline=scene.clock.now + 0.5)
        await scene.wait(0.25)
        assert not late.done()

        await scene.wait(0.25)
        assert isinstance(late.exception(), DeadlineExceeded)
        assert scene.batcher.queued_items == 0
        assert not busy.done()
        assert scene.graph.sizes == [1]

    play(story)


def test_an_earlier_deadline_that_comes_later_is_answered_first() -> None:
    async def story(scene: Scene) -> None:
        scene.submit(1)
        await scene.wait()
        far = scene.submit(2, deadline=scene.clock.now + 8)
        await scene.wait()
        near = scene.submit(3, deadline=scene.clock.now + 0.5)
        await scene.wait()

        await scene.wait(0.5)
        assert (near.done(), far.done()) == (True, False)
        await scene.wait(7.5)
        assert isinstance(near.exception(), DeadlineExceeded)
        assert isinstance(far.exception(), DeadlineExceeded)

    play(story)


def test_a_cancelled_caller_leaves_its_neighbours_served() -> None:
    async def story(scene: Scene) -> None:
        tasks = [scene.submit(value) for value in range(4)]
        await scene.wait()
        tasks[1].cancel()
        tasks[2].cancel()
        await scene.wait()
        scene.graph.finish()
        await scene.wait()
        assert [doubled(tasks[0]), doubled(tasks[3])] == [[0], [6]]
        assert tasks[1].cancelled()
        assert tasks[2].cancelled()

    play(story)


def test_cancelled_rows_are_not_computed() -> None:
    async def story(scene: Scene) -> None:
        scene.submit(1)
        await scene.wait()
        gone, neighbour = scene.submit(2), scene.submit(3)
        await scene.wait()
        gone.cancel()
        await scene.wait()
        assert scene.batcher.queued_items == 1

        scene.graph.finish()
        await scene.wait()
        assert scene.graph.batches[1].tolist() == [[3]]
        assert not neighbour.done()

    play(story)


def test_a_caller_cancelled_as_its_answer_arrives_ends_cancelled() -> None:
    async def story(scene: Scene) -> None:
        task = scene.submit(POISON)
        await scene.wait()
        scene.graph.finish()
        await asyncio.sleep(0)
        assert scene.batcher.in_flight_items == 0
        assert not task.done()
        task.cancel()
        await scene.wait()
        assert task.cancelled()

    play(story)


def test_a_caller_cancelled_in_the_turn_of_its_batch_leaves_its_neighbours_served() -> None:
    async def story(scene: Scene) -> None:
        gone, neighbour = scene.submit(1), scene.submit(2)
        await scene.wait()
        scene.graph.finish()
        gone.cancel()
        await scene.wait()
        assert gone.cancelled()
        assert doubled(neighbour) == [4]

    play(story)


def test_only_the_poisoned_request_of_a_batch_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def story(scene: Scene) -> None:
        tasks = [scene.submit(value) for value in (1, POISON, 3)]
        await scene.wait()
        for _ in range(4):
            scene.graph.finish()
            await scene.wait()
        assert scene.graph.sizes == [3, 1, 1, 1]
        assert [doubled(tasks[0]), doubled(tasks[2])] == [[2], [6]]
        with pytest.raises(InferenceFailed) as failed:
            tasks[1].result()
        assert "poison" not in failed.value.message
        assert [record.ok for record in scene.records] == [False, True, False, True]

    play(story)
    assert "graph double failed on a batch of 3 items; each is tried again alone" in caplog.text
    assert "request ids: r, r, r" in caplog.text
    assert "RuntimeError: poison" in caplog.text


def test_a_neighbour_of_another_shape_fails_no_other() -> None:
    async def story(scene: Scene) -> None:
        wide = np.full((1, 2), POISON, np.float32)
        odd = asyncio.get_running_loop().create_task(scene.batcher.submit(wide, Call()))
        task = scene.submit(1)
        await scene.wait()
        while scene.graph.flying:
            scene.graph.finish()
            await scene.wait()
        assert doubled(task) == [2]
        assert isinstance(odd.exception(), InferenceFailed)

    play(story)


@pytest.mark.parametrize("wrong", [np.zeros((1, 1)), np.zeros((3, 1)), np.zeros(())])
def test_outputs_of_another_number_of_rows_fail_with_both_numbers(wrong: np.ndarray) -> None:
    async def story(scene: Scene) -> None:
        task = scene.submit(1, 2)
        await scene.wait()
        scene.graph.flying.pop()[1].set_result((np.zeros((2, 1)), wrong))
        await scene.wait()
        with pytest.raises(InferenceFailed, match="answered 2 items") as failed:
            task.result()
        assert str(wrong.shape) in failed.value.message

    play(story)


def test_a_graph_that_is_cancelled_leaves_nobody_waiting() -> None:
    async def story(scene: Scene) -> None:
        task = scene.submit(1)
        await scene.wait()
        scene.graph.flying.pop()[1].cancel()
        await scene.wait()
        assert isinstance(task.exception(), InferenceFailed)

    play(story)


def test_a_full_queue_refuses_at_once_by_the_measured_drain() -> None:
    async def story(scene: Scene) -> None:
        scene.submit(1, 2, 3, 4)
        await scene.wait(0.5)
        scene.graph.finish()
        scene.submit(1)
        await scene.wait()
        scene.submit(*range(14))
        await scene.wait()

        refused = scene.submit(1, 2, 3)
        await scene.wait()

        error = refused.exception()
        assert isinstance(error, QueueFull)
        assert error.retry_after_s == pytest.approx(14 * 0.5 / 4)
        await scene.wait(0.25)

    play(story)


def test_a_request_larger_than_the_queue_is_refused_for_good() -> None:
    async def story(scene: Scene) -> None:
        refused = scene.submit(*range(17))
        await scene.wait()
        assert isinstance(refused.exception(), TooManyItems)

    play(story)


def test_a_bulk_caller_does_not_starve_an_interactive_one() -> None:
    async def story(scene: Scene) -> None:
        scene.submit(*range(4), caller="bulk")
        await scene.wait()
        scene.submit(*range(15), caller="bulk")
        quick = scene.submit(7, caller="shop")
        await scene.wait()
        for _ in range(2):
            scene.graph.finish()
            await scene.wait()
        assert doubled(quick) == [14]

    play(story)


def test_closing_refuses_what_comes_and_finishes_what_is_there() -> None:
    async def story(scene: Scene) -> None:
        there = [scene.submit(value) for value in range(6)]
        await scene.wait()
        closing = asyncio.get_running_loop().create_task(scene.batcher.aclose())
        await scene.wait()
        refused = scene.submit(1)
        await scene.wait()
        assert isinstance(refused.exception(), ShuttingDown)

        while scene.graph.flying:
            assert not closing.done()
            scene.graph.finish()
            await scene.wait()
        assert closing.done()
        assert [doubled(task) for task in there] == [[2 * value] for value in range(6)]
        await scene.batcher.aclose()

    play(story)


def test_closing_does_not_wait_for_a_caller_that_left() -> None:
    async def story(scene: Scene) -> None:
        scene.submit(1)
        await scene.wait()
        queued = scene.submit(2)
        await scene.wait()
        closing = asyncio.get_running_loop().create_task(scene.batcher.aclose())
        queued.cancel()
        await scene.wait()
        assert not closing.done()
        scene.graph.finish()
        await scene.wait()
        assert closing.done()

    play(story)


def test_waiting_and_computing_are_reported_to_the_call_and_to_the_observer() -> None:
    async def story(scene: Scene) -> None:
        first, second = Call(), Call()
        loop = asyncio.get_running_loop()
        rows = np.ones((2, 1), np.float32)
        tasks = [loop.create_task(scene.batcher.submit(rows, first))]
        await scene.wait()
        tasks.append(loop.create_task(scene.batcher.submit(rows, second)))
        await scene.wait(0.5)
        scene.graph.finish()
        await scene.wait()
        await scene.wait(0.25)
        scene.graph.finish()
        await scene.wait()

        assert (first.queue_s, first.compute_s, first.batch_size) == (0.0, 0.5, 2)
        assert (second.queue_s, second.compute_s, second.batch_size) == (0.5, 0.25, 2)
        assert [(record.graph, record.size, record.ok) for record in scene.records] == [
            ("double", 2, True)
        ] * 2
        assert [(record.queue_s, record.compute_s) for record in scene.records] == [
            (0.0, 0.5),
            (0.5, 0.25),
        ]
        assert scene.records[1].formed == scene.records[0].formed + 0.5
        riders = [part.ticket.call for record in scene.records for part in record.parts]
        assert riders[0] is first
        assert riders[1] is second
        assert all(task.done() for task in tasks)

    play(story)


def test_no_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="slots is 0"):
        Scene(Clock(), slots=0)


def test_an_express_batch_runs_beside_busy_slots_one_at_a_time() -> None:
    async def story(scene: Scene) -> None:
        scene.submit(*range(16), caller="many")
        await scene.wait()
        first = scene.submit(1, caller="few")
        await scene.wait()
        assert scene.graph.sizes == [8, 1]
        second = scene.submit(2, caller="other")
        await scene.wait()
        assert scene.graph.sizes == [8, 1]

        scene.graph.finish(1)
        await scene.wait()
        assert doubled(first) == [2]
        assert scene.graph.sizes == [8, 1, 1]
        scene.graph.finish(1)
        await scene.wait()
        assert doubled(second) == [4]
        # The slot itself is still taken by the first of the many.
        assert scene.graph.sizes == [8, 1, 1]
        scene.graph.finish()
        await scene.wait()
        assert scene.graph.sizes == [8, 1, 1, 8]

    play(story, max_batch_size=8, express=True)


def test_an_express_batch_that_fails_frees_its_place() -> None:
    async def story(scene: Scene) -> None:
        scene.submit(*range(16), caller="many")
        await scene.wait()
        bad = scene.submit(POISON, caller="few")
        await scene.wait()
        scene.graph.finish(1)
        await scene.wait()
        assert isinstance(bad.exception(), InferenceFailed)
        scene.submit(3, caller="few")
        await scene.wait()
        assert scene.graph.sizes == [8, 1, 1]

    play(story, max_batch_size=8, express=True)

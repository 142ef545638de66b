"""The micro-batcher on an event loop whose clock and whose graph are moved by hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.batching import BatchLimits, BatchRecord, MicroBatcher
from inference.call import Call
from inference.errors import (
    DeadlineExceeded,
    InferenceFailed,
    QueueFull,
    ShuttingDown,
    TooManyItems,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

POISON = -1.0


class Clock:
    """Seconds that pass when the test says so."""

    now = 64.0

    def __call__(self) -> float:
        return self.now


class HandLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers go by a clock moved by hand."""

    def __init__(self, clock: Clock) -> None:
        """Timers go by ``clock``."""
        self._clock = clock
        super().__init__()

    def time(self) -> float:
        return self._clock()


class HandGraph:
    """Doubles rows when the test says so; a row of `POISON` fails its batch."""

    name = "double"

    def __init__(self) -> None:
        """Nothing was asked of it yet."""
        self.batches: list[np.ndarray] = []
        self.flying: list[tuple[np.ndarray, asyncio.Future[Any]]] = []
        self.outputs: list[np.ndarray] = []

    async def __call__(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        self.batches.append(rows)
        run = (rows, asyncio.get_running_loop().create_future())
        self.flying.append(run)
        try:
            outputs: tuple[np.ndarray, ...] = await run[1]
            return outputs
        finally:
            self.flying[:] = [other for other in self.flying if other is not run]

    @property
    def sizes(self) -> list[int]:
        return [len(rows) for rows in self.batches]

    def finish(self, index: int = 0) -> None:
        rows, run = self.flying.pop(index)
        if (rows == POISON).any():
            run.set_exception(RuntimeError("poison"))
        else:
            self.outputs.append(rows * 2)
            run.set_result((self.outputs[-1], rows.sum(axis=1)))


@dataclass
class Scene:
    """A batcher, its graph, its clock and what it reported."""

    clock: Clock
    slots: int = 1
    max_batch_size: int = 4
    max_queue_size: int = 16
    delay_ms: float = 0.0
    records: list[BatchRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build the batcher over a graph of its own."""
        self.graph = HandGraph()
        self.batcher = MicroBatcher(
            self.graph,
            limits=BatchLimits(self.max_batch_size, self.max_queue_size, self.delay_ms),
            slots=self.slots,
            clock=self.clock,
            observe=self.records.append,
        )

    def submit(
        self, *values: float, caller: str = "a", deadline: float | None = None
    ) -> asyncio.Task[Any]:
        call = Call(caller, deadline, request_id="r")
        rows = np.array(values, np.float32).reshape(-1, 1)
        return asyncio.get_running_loop().create_task(self.batcher.submit(rows, call))

    async def wait(self, seconds: float = 0.0) -> None:
        """Let everything run that can; with ``seconds``, let them pass and do it again."""
        for passing in (0.0, seconds) if seconds else (0.0,):
            self.clock.now += passing
            for _ in range(8):
                await asyncio.sleep(0)

    async def close(self) -> None:
        closing = asyncio.get_running_loop().create_task(self.batcher.aclose())
        await self.wait()
        while self.graph.flying:
            self.graph.finish()
            await self.wait()
        assert closing.done()


def play(story: Callable[[Scene], Coroutine[Any, Any, None]], **settings: Any) -> None:
    """Run ``story`` on a loop with a hand-moved clock, and then drain the batcher."""
    clock = Clock()

    async def whole() -> None:
        scene = Scene(clock, **settings)
        await story(scene)
        await scene.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=lambda: HandLoop(clock)) as runner:
        runner.run(whole())


def doubled(task: asyncio.Task[Any]) -> list[float]:
    values: list[float] = task.result()[0].ravel().tolist()
    return values


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
        scene.graph.finish()
        queued.cancel()
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
        assert scene.records == [
            BatchRecord("double", 2, 0.0, 0.5, ok=True),
            BatchRecord("double", 2, 0.5, 0.25, ok=True),
        ]
        assert all(task.done() for task in tasks)

    play(story)


def test_no_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="slots is 0"):
        Scene(Clock(), slots=0)


SUBMIT = st.tuples(
    st.just("submit"),
    st.integers(1, 9),
    st.sampled_from("abc"),
    st.none() | st.integers(1, 8),
    st.sampled_from([False, False, False, True]),
)
STEP = st.one_of(
    SUBMIT,
    SUBMIT,
    st.tuples(st.sampled_from(["cancel", "finish", "lose"]), st.integers(0, 20)),
    st.tuples(st.just("wait"), st.integers(1, 4)),
    st.tuples(st.just("settle"), st.just(0)),
)


@dataclass
class Asked:
    """One submit of a random programme."""

    task: asyncio.Task[Any]
    values: list[float]
    deadline: float | None
    cancelled: bool = False


async def step(scene: Scene, asked: list[Asked], action: tuple[Any, ...]) -> bool:
    """Do one action; True if the graph lost a row of some batch."""
    kind, number = action[:2]
    flying = scene.graph.flying
    if kind == "submit":
        _, size, caller, patience, poisoned = action
        values = [float(100 * len(asked) + row) for row in range(size)]
        if poisoned:
            values[size // 2] = POISON
        deadline = None if patience is None else scene.clock.now + patience / 4
        task = scene.submit(*values, caller=caller, deadline=deadline)
        asked.append(Asked(task, values, deadline))
    elif kind == "cancel" and asked:
        one = asked[number % len(asked)]
        one.cancelled |= one.task.cancel()
    elif kind == "finish" and flying:
        scene.graph.finish(number % len(flying))
    elif kind == "lose" and flying:
        rows, run = flying.pop(number % len(flying))
        run.set_result((rows[1:] * 2, rows))
        return True
    elif kind in {"wait", "settle"}:
        await scene.wait(number / 4)
        # No idle waiting: rows wait only while every slot is busy.
        assert not scene.batcher.queued_items or len(flying) == scene.slots
    assert scene.batcher.queued_items <= scene.max_queue_size
    assert len(scene.graph.flying) <= scene.slots
    return False


def check(scene: Scene, one: Asked, *, lost: bool) -> None:
    """One submit ended in a way that the programme allows."""
    assert one.task.done()
    if one.task.cancelled():
        assert one.cancelled
        return
    error = one.task.exception()
    if error is None:
        assert doubled(one.task) == [2 * value for value in one.values]
    elif isinstance(error, DeadlineExceeded):
        assert one.deadline is not None
        assert one.deadline <= scene.clock.now
    elif isinstance(error, InferenceFailed):
        assert POISON in one.values or lost
    elif isinstance(error, TooManyItems):
        assert len(one.values) > scene.max_queue_size
    else:
        assert isinstance(error, QueueFull)


@settings(max_examples=150, deadline=None)
@given(
    programme=st.lists(STEP, max_size=40),
    slots=st.integers(1, 3),
    max_batch_size=st.integers(1, 6),
    max_queue_size=st.integers(4, 20),
)
def test_after_a_random_programme_every_submit_has_ended_once(
    programme: list[tuple[Any, ...]], slots: int, max_batch_size: int, max_queue_size: int
) -> None:
    async def story(scene: Scene) -> None:
        asked: list[Asked] = []
        lost = False
        for action in programme:
            lost |= await step(scene, asked, action)
        await scene.wait()
        await scene.close()
        for one in asked:
            check(scene, one, lost=lost)
        assert all(1 <= size <= max_batch_size for size in scene.graph.sizes)
        assert sorted(record.size for record in scene.records) == sorted(scene.graph.sizes)
        tries = Counter(row for batch in scene.graph.batches for row in batch.ravel().tolist())
        assert all(times <= 2 for row, times in tries.items() if row != POISON)

    play(story, slots=slots, max_batch_size=max_batch_size, max_queue_size=max_queue_size)

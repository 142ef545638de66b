"""The micro-batcher after a random programme: every submit has ended once, and rightly."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import DeadlineExceeded, InferenceFailed, QueueFull, TooManyItems
from tests.support.hand_batcher import POISON, Scene, doubled, play

if TYPE_CHECKING:
    import asyncio

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

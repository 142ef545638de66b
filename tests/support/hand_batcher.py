"""A micro-batcher whose clock, event loop and graph are moved by hand: no test of it sleeps.

play(story) → a loop on a hand-moved clock → Scene: submit, wait, graph.finish → drained
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.batching import BatchLimits, BatchRecord, MicroBatcher
from inference.call import Call
from inference.ride import ride

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from inference.ride import Landing
    from inference.ticket import Batch

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

    async def __call__(self, batch: Batch) -> list[Landing]:
        rows = batch.rows()
        self.batches.append(rows)
        run = (rows, asyncio.get_running_loop().create_future())
        self.flying.append(run)
        try:
            outputs: tuple[np.ndarray, ...] = await run[1]
            return ride(batch, lambda _: outputs)
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
    express: bool = False
    records: list[BatchRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build the batcher over a graph of its own."""
        self.graph = HandGraph()
        self.batcher = MicroBatcher(
            self.graph,
            limits=BatchLimits(self.max_batch_size, self.max_queue_size, self.delay_ms),
            slots=self.slots,
            express=self.express,
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

"""Many requests on one stream: worked on side by side, answered in the order in which they came.

requests → at most ``at_once`` tasks → answers in order

Knows no message and no gRPC.

1. Answer i belongs to request i.
2. No request is read while ``at_once`` of them are unanswered, so the sender is held back.
3. However the stream ends, none of its tasks is left running.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine

T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):  # noqa: N818  (an event, not a fault)
    """No more requests were read, since the stream was told to stop."""


async def in_order(
    requests: AsyncIterator[T],
    work: Callable[[T], Coroutine[None, None, R]],
    *,
    at_once: int,
    stop: asyncio.Event,
) -> AsyncGenerator[R]:
    """The answers to ``requests``.

    Args:
        requests: What the other side sends.
        work: Answers one request; an exception of it ends the stream.
        at_once: Requests that may be unanswered.
        stop: Once set, no further request is read; those that were are answered.

    Raises:
        Stopped: After the last answer, if it was told to stop before the other side was done.
    """
    tasks: asyncio.Queue[asyncio.Task[R] | None] = asyncio.Queue()
    unanswered: set[asyncio.Task[R]] = set()
    room = asyncio.Semaphore(at_once)

    async def read() -> None:
        while True:
            await room.acquire()
            try:
                request = await anext(requests)
            except StopAsyncIteration:
                return
            task = asyncio.create_task(work(request))
            unanswered.add(task)
            tasks.put_nowait(task)

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: tasks.put_nowait(None))
    watch = asyncio.create_task(stop.wait())
    watch.add_done_callback(lambda _: reader.cancel())
    try:
        while (task := await tasks.get()) is not None:
            answer = await task
            unanswered.discard(task)
            yield answer
            room.release()
        if reader.cancelled():
            raise Stopped
        reader.result()
    finally:
        for left in (watch, reader, *unanswered):
            left.cancel()
        await asyncio.gather(watch, reader, *unanswered, return_exceptions=True)

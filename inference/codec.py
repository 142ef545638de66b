"""The threads that decode and encode images, so that the event loop never waits for a codec.

    call, function, arguments → its caller's turn → a free thread → result; seconds → call

Knows nothing of what the functions do.

1. No more than ``threads`` functions run at once; the others wait, and callers take turns.
2. A caller that is cancelled before its turn costs no thread time.
3. What is begun is finished: only `check_room`, before a request's first function, refuses.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from inference.drain import DrainRate
from inference.errors import QueueFull, ShuttingDown
from inference.quota import check_quota
from inference.reserve import Reserve
from inference.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from inference.call import Call

P = ParamSpec("P")
T = TypeVar("T")


class CodecPool:
    """A fixed number of threads for codecs.

    Args:
        threads: Functions that run at once.
        max_waiting: Functions that may wait before `check_room` refuses more.

    Attributes:
        waiting: Functions that run or wait.
    """

    def __init__(self, threads: int, *, max_waiting: int) -> None:
        """No thread is started before the first call."""
        self.waiting = 0
        self._max_waiting = max_waiting
        self._by_caller: dict[str, int] = {}
        self._reserve = Reserve()
        # Each thread finds its next function without waiting for the event loop.
        self._turns = Turns(2 * threads)
        self._idle = asyncio.Event()
        self._drain_rate = DrainRate()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="codec")
        self._closed = False

    def check_room(self, call: Call, functions: int = 1) -> None:
        """Refuse a request that would bring ``functions`` while too many wait.

        Raises:
            QueueFull: ``max_waiting`` is reached, or the caller's own limit; for the first, a
                request is never refused by an idle pool.
            TooManyItems: Never would so many of the caller fit, by its own limit.
        """
        mine = self._by_caller.get(call.caller, 0)
        check_quota(call, functions, mine, self._drain_rate)
        if not self.waiting or self._reserve.admits(
            functions,
            mine=mine,
            taken=self.waiting,
            callers=len(self._by_caller) + (not mine),
            limit=self._max_waiting,
            now=time.monotonic(),
        ):
            return
        seconds = self._drain_rate.seconds_for(self.waiting)
        raise QueueFull(
            f"{self.waiting} images wait to be decoded or encoded and this request brings "
            f"{functions} more, but the limit is {self._max_waiting} (max_queue_size); try again "
            f"in {seconds:.2f} s, or send less at once",
            retry_after_s=seconds,
        )

    async def run(
        self, call: Call, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``function`` in a thread and add the seconds that it ran to ``call``.

        Raises:
            ShuttingDown: The pool is closed.
        """
        if self._closed:
            raise ShuttingDown("the server is shutting down; send the request again")
        seconds = 0.0

        def timed() -> T:
            nonlocal seconds
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds = time.perf_counter() - started

        if not self.waiting:
            self._drain_rate.begin(time.monotonic())
        self._count(call.caller, 1)
        try:
            await self._turns.take(call.caller)
            try:
                return await asyncio.get_running_loop().run_in_executor(self._executor, timed)
            finally:
                self._turns.pass_on()
        finally:
            self._count(call.caller, -1)
            self._drain_rate.add(int(seconds > 0), time.monotonic())
            # On the event loop, where no other codec of the same call can add at the same time.
            if call.compute_s:
                call.encode_s += seconds
            else:
                call.decode_s += seconds

    async def aclose(self) -> None:
        """Take nothing new and wait for what runs and waits."""
        self._closed = True
        if self.waiting:
            self._idle.clear()
            await self._idle.wait()
        await asyncio.to_thread(self._executor.shutdown)

    def _count(self, caller: str, functions: int) -> None:
        self.waiting += functions
        mine = self._by_caller.get(caller, 0) + functions
        if mine:
            self._by_caller[caller] = mine
        else:
            del self._by_caller[caller]
        if not self.waiting:
            self._idle.set()


async def all_or_none(jobs: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all jobs; once one fails, those that have not begun never do."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        await _cancelled(tasks)
        raise
    finally:
        # A task that failed holds its error, whose traceback holds this frame.
        tasks.clear()


async def _cancelled(tasks: Iterable[asyncio.Future[T]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

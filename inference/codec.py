"""The threads that decode and encode images, so that the event loop never waits for a codec.

    call, function, arguments → a free thread → result; the seconds it ran → call.codec_s

Knows nothing of what the functions do.

1. No more than ``threads`` functions run at once; the others wait their turn.
2. A caller that is cancelled before its turn costs no thread time.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from inference.errors import ShuttingDown

if TYPE_CHECKING:
    from collections.abc import Callable

    from inference.call import Call

P = ParamSpec("P")
T = TypeVar("T")


class CodecPool:
    """A fixed number of threads for codecs.

    Args:
        threads: Functions that run at once.
    """

    def __init__(self, threads: int) -> None:
        """No thread is started before the first call."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="codec")
        self._closed = False

    async def run(
        self, call: Call, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``function`` in a thread and add the seconds that it ran to ``call.codec_s``.

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

        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, timed)
        finally:
            # On the event loop, where no other codec of the same call can add at the same time.
            call.codec_s += seconds

    async def aclose(self) -> None:
        """Take nothing new and wait for what runs and waits."""
        self._closed = True
        await asyncio.to_thread(self._executor.shutdown)

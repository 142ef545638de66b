"""Taking turns: some may go at once, the others wait, and callers are let go one after the other.

    caller → goes at once while fewer than ``at_once`` do, else waits → goes when its turn comes

Belongs to one event loop; knows nothing of what is done with a turn.

1. No more than ``at_once`` have a turn; each is passed on exactly once.
2. While several callers wait, each gets every c-th turn, c being their number.
3. Within a caller, who came first goes first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque


class Turns:
    """Turns of one kind.

    Args:
        at_once: How many may be taken at a time.
    """

    def __init__(self, at_once: int) -> None:
        """All are free."""
        self._free = at_once
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, caller: str) -> None:
        """Wait for a turn of ``caller``; whoever has one must `pass_on`."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(caller, turn)
            else:
                self.pass_on()
            raise

    def pass_on(self) -> None:
        """The turn is over: the next of the next caller goes."""
        while self._waiting:
            caller, line = next(iter(self._waiting.items()))
            turn = line.popleft()
            # Whoever was cancelled a moment ago still stands in line, and takes nobody's turn.
            gone = turn.done()
            if not line:
                del self._waiting[caller]
            elif not gone:
                self._waiting.move_to_end(caller)
            if not gone:
                turn.set_result(None)
                return
        self._free += 1

    def _forget(self, caller: str, turn: asyncio.Future[None]) -> None:
        line = self._waiting.get(caller)
        if line is not None and turn in line:
            line.remove(turn)
            if not line:
                del self._waiting[caller]

"""Callers who come when they come: a schedule of arrivals, and what each of them was answered.

    address, exchange, arrivals [n] → `arrive` → Arrived(one Answered for each, those who came back)
    address, exchange, callers, seconds → `keep_busy` → Load (a refused caller waits as it is told)

`benchmarks.load` has one request of each caller on its way and so never asks for more than it is
given; here arrivals keep to their times whether the server does or not. Knows no model.

1. An arrival is sent when it is due, on a connection of its own while there are enough; how late it
   was sent is kept with its answer, which is timed from then on.
2. Every arrival has one answer, and whoever came back one more; a connection that the server ends
   under a request counts as status 0.
3. A right status with a wrong content ends the run with an error.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.connections import Connections
from benchmarks.load import OK, PATIENCE_S, REFUSALS, Load, WrongAnswer, fast_loop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.connections import Reply, Told
    from benchmarks.load import Exchange

_TICK_S = 1e-3
"""Of the event loop's timers: a shorter wait is none, and would take the server's cores."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One arrival: when it was due (seconds after the start), how late it was sent, its answer."""

    due_s: float
    late_s: float
    reply: Reply

    @property
    def ended_s(self) -> float:
        """When the answer had come, in seconds after the start."""
        return self.due_s + self.late_s + self.reply.seconds


@dataclass(frozen=True)
class Patience:
    """Who of the refused comes back, once: those for whom the load falls while they wait.

    Attributes:
        calm_s: When the load falls, in seconds after the start.
        window: Of its wait, a caller spends at most this share under the old load.
        every: One in so many of these comes back.
    """

    calm_s: float
    window: float = 0.25
    every: int = 2

    def waits(self, refused_s: float, wait_s: float) -> bool:
        """Whether a caller refused then, and told to wait so long, is one of them."""
        return self.calm_s - self.window * wait_s <= refused_s <= self.calm_s


@dataclass
class Arrived:
    """What became of a schedule.

    Attributes:
        first: Each arrival's answer.
        header: Of those who came back after Retry-After.
        fine: Of those who came back after ``retry_after_s``.
        client_s: CPU seconds of this client.
    """

    first: list[Answered] = field(default_factory=list)
    header: list[Answered] = field(default_factory=list)
    fine: list[Answered] = field(default_factory=list)
    client_s: float = 0.0


def arrive(
    address: str,
    exchange: Exchange,
    arrivals: Sequence[float],
    connections: int,
    patience: Patience | None = None,
) -> Arrived:
    """Send ``exchange`` to ``address`` (host:port) at each of ``arrivals``.

    Args:
        address: Of a server that speaks HTTP.
        exchange: What each arrival asks, and how its answer must begin.
        arrivals: Seconds after the start, in order.
        connections: Opened before the start; with fewer than requests under way, they are late.
        patience: Who comes back; nobody if there is none.

    Raises:
        WrongAnswer: 200 with another content.
        TimeoutError: The server fell silent.
        OSError: It cannot be reached.
    """
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(_Crowd(exchange, arrivals, patience).run(address, connections))


def keep_busy(
    address: str, exchange: Exchange, callers: int, seconds: float, source: str | None = None
) -> Load:
    """A closed loop of ``callers`` who, when refused, wait as long as they are told.

    Args:
        address: As in `arrive`.
        exchange: As in `arrive`.
        callers: One request of each is on its way, or waits.
        seconds: Nothing is sent later.
        source: The address that connections come from, so that fairness takes it for somebody else.

    Raises:
        WrongAnswer: An answer was neither right nor a refusal.
        TimeoutError: As in `arrive`.
        OSError: As in `arrive`, or this machine has not the address ``source``.
    """
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(_keep_busy(address, exchange, callers, seconds, source))


class _Crowd:
    """One schedule on its way."""

    def __init__(
        self, exchange: Exchange, arrivals: Sequence[float], patience: Patience | None
    ) -> None:
        self._exchange = exchange
        self._arrivals = arrivals
        self._patience = patience
        self._seen = Arrived()
        self._next = self._pending = 0
        self._patient = {"header": 0, "fine": 0}

    async def run(self, address: str, connections: int) -> Arrived:
        self._connections = Connections(self._exchange)
        try:
            await self._connections.open(address, connections, None)
            used, self._began = time.process_time(), time.perf_counter()
            self._go_on()
            async with asyncio.timeout(self._arrivals[-1] + PATIENCE_S):
                await self._connections.over
            self._seen.client_s = time.process_time() - used
        finally:
            self._connections.close()
        return self._seen

    def _now(self) -> float:
        return time.perf_counter() - self._began

    def _go_on(self) -> None:
        """Send all that is due, and look again when the next is."""
        now = self._now()
        while self._next < len(self._arrivals) and self._arrivals[self._next] <= now:
            self._send(self._arrivals[self._next], self._seen.first)
            self._next += 1
        if self._next < len(self._arrivals):
            after = self._arrivals[self._next] - self._now()
            asyncio.get_running_loop().call_later(max(after, _TICK_S), self._go_on)

    def _send(self, due_s: float, into: list[Answered]) -> None:
        self._pending += 1

        def begin() -> Told:
            return partial(self._answered, due_s, self._now() - due_s, into)

        self._connections.send(begin)

    def _answered(self, due_s: float, late_s: float, into: list[Answered], reply: Reply) -> None:
        into.append(Answered(due_s, late_s, reply))
        self._pending -= 1
        if into is self._seen.first and reply.status in REFUSALS:
            self._perhaps_come_back(into[-1])
        if not self._pending and self._next == len(self._arrivals):
            self._connections.end()

    def _perhaps_come_back(self, refused: Answered) -> None:
        if self._patience is None:
            return
        now, reply, seen = refused.ended_s, refused.reply, self._seen
        # By the header if it can, else by the finer time: each has its own window.
        ways = (("fine", reply.fine_s, seen.fine), ("header", reply.header_s, seen.header))
        for way, wait_s, into in ways:
            if not self._patience.waits(now, wait_s):
                continue
            self._patient[way] += 1
            if self._patient[way] % self._patience.every == 0:
                self._pending += 1
                asyncio.get_running_loop().call_later(wait_s, self._come_back, now + wait_s, into)
                return

    def _come_back(self, due_s: float, into: list[Answered]) -> None:
        self._pending -= 1
        self._send(due_s, into)


async def _keep_busy(
    address: str, exchange: Exchange, callers: int, seconds: float, source: str | None
) -> Load:
    load, connections = Load(), Connections(exchange)
    loop = asyncio.get_running_loop()
    at_work = callers

    def ask() -> None:
        nonlocal at_work
        if time.perf_counter() < ends:
            connections.send(lambda: told)
            return
        at_work -= 1
        if not at_work:
            connections.end()

    def told(reply: Reply) -> None:
        if reply.status in REFUSALS:
            load.refused += 1
            loop.call_later(max(0.0, min(reply.fine_s, ends - time.perf_counter())), ask)
            return
        if reply.status != OK:
            connections.fail(WrongAnswer(f"the server answered {reply.status}"))
        load.times_s.append(reply.seconds)
        load.images += exchange.images
        ask()

    try:
        await connections.open(address, callers, source)
        begun, used = time.perf_counter(), time.process_time()
        ends = begun + seconds
        for _ in range(callers):
            ask()
        async with asyncio.timeout(seconds + PATIENCE_S):
            await connections.over
        load.seconds = time.perf_counter() - begun
        load.client_s = time.process_time() - used
    finally:
        connections.close()
    return load

"""Kept connections of HTTP/1.1 that say of every answer what it was, refusals in full.

    Exchange → a free connection → Reply(status, seconds, when to come back)

Takes no decision on when to send; knows no model.

1. A connection has one request on its way; who sends when none is free waits for the next.
2. A right status with a wrong content is an error; a connection that ends under its request is a
   reply with the status `LOST`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import httptools
import orjson

from benchmarks.load import OK, REFUSALS, WrongAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.load import Exchange

    Told = Callable[["Reply"], None]

LOST = 0
"""The status of an answer that never came."""
_KEPT_BYTES = 2000
_SHOWN_BYTES = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        status: Of HTTP; `LOST` if the connection ended first.
        seconds: From the request's being sent to the answer's end.
        header_s: Retry-After of a refusal; 0 for others.
        fine_s: ``retry_after_s`` in a refusal's body; 0 for others.
    """

    status: int
    seconds: float
    header_s: float = 0.0
    fine_s: float = 0.0


class _Connection(asyncio.Protocol):
    """One connection of HTTP/1.1; ``told`` is called with the answer, ``failed`` with an error."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._parser = httptools.HttpResponseParser(self)
        self._told: Told | None = None
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (the protocol's signature)
        self.open = False
        if self._told is not None:
            self._tell(Reply(LOST, time.perf_counter() - self._sent))

    def send(self, exchange: Exchange, told: Told) -> None:
        self._exchange, self._told = exchange, told
        self._sent = time.perf_counter()
        self._transport.write(exchange.request)

    def close(self) -> None:
        self._told = None
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            # An exception of `on_message_complete` comes wrapped in the parser's own.
            self._failed(error.__context__ or error)

    def on_message_begin(self) -> None:
        self._body, self._retry_after = b"", 0.0

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = float(value)

    def on_body(self, body: bytes) -> None:
        if len(self._body) < _KEPT_BYTES:
            self._body += body

    def on_message_complete(self) -> None:
        status, seconds = self._parser.get_status_code(), time.perf_counter() - self._sent
        if status == OK and not self._body.startswith(self._exchange.begins):
            raise WrongAnswer(f"the server answered 200 {self._body[:_SHOWN_BYTES]!r}")
        fine_s = 0.0
        if status in REFUSALS:
            fine_s = orjson.loads(self._body)["error"]["retry_after_s"]
        self._tell(Reply(status, seconds, self._retry_after, fine_s))

    def _tell(self, reply: Reply) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(reply)


class Connections:
    """Open connections, those that are free in the order in which they became so.

    Attributes:
        over: Done with `end`, or with the error of `fail`.
    """

    def __init__(self, exchange: Exchange) -> None:
        """None is open yet; all will ask ``exchange``."""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exchange = exchange
        self._all: list[_Connection] = []
        # In turns, so that none is idle so long that the server ends it.
        self._free: deque[_Connection] = deque()
        self._waiting: deque[Callable[[], Told]] = deque()

    async def open(self, address: str, count: int, source: str | None) -> None:
        """Open ``count`` to ``address`` (host:port), from the address ``source`` if one is given.

        Raises:
            OSError: It cannot be reached, or ``source`` is no address of this machine.
        """
        host, _, port = address.rpartition(":")
        local = None if source is None else (source, 0)
        for _ in range(count):
            make = partial(_Connection, self.fail)
            _, made = await asyncio.get_running_loop().create_connection(
                make, host, int(port), local_addr=local
            )
            self._all.append(made)
            self._free.append(made)

    def send(self, begin: Callable[[], Told]) -> None:
        """Send once a connection is free; ``begin`` is called then, and gives who is told."""
        self._waiting.append(begin)
        self._go_on()

    def close(self) -> None:
        """End all of them; who waits for an answer is not told."""
        self.over.cancel()
        for each in self._all:
            each.close()

    def end(self) -> None:
        """Nothing more will be sent."""
        if not self.over.done():
            self.over.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Something went wrong."""
        if not self.over.done():
            self.over.set_exception(error)

    def _go_on(self) -> None:
        while self._waiting and self._free:
            connection = self._free.popleft()
            if connection.open:
                told = self._waiting.popleft()()
                connection.send(self._exchange, partial(self._answered, connection, told))

    def _answered(self, connection: _Connection, told: Told, reply: Reply) -> None:
        self._free.append(connection)
        told(reply)
        self._go_on()

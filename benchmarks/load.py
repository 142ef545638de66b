"""Callers that cost little: bytes sent again and again over kept connections, every answer checked.

    address, exchanges, callers, seconds → `drive` → Load(right answers, refusals, times)

A closed loop: each caller has one request on its way and sends the next when the answer is read.
HTTP/1.1 is parsed by httptools on a bare transport, gRPC messages are passed on unread. Knows no
model; what to send and how an answer must begin is given.

1. Connections are open before the clock starts; the clock stops with the last answer.
2. An answer that is neither right nor a refusal ends the run with an error.
3. Each caller sends at least once, and nothing after its time; a silent server is given up.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING, cast

import grpc
import httptools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Loop = asyncio.AbstractEventLoop

PATIENCE_S = 30.0
OK = 200
REFUSALS = (429, 503)
_REFUSED = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
_CHANNELS = 8
_SHOWN_BYTES = 200


class WrongAnswer(RuntimeError):  # noqa: N818  (says what is the matter)
    """A server answered, or ended a connection, as it should not."""


@dataclass(frozen=True)
class Exchange:
    """One request and how its answer must look.

    Attributes:
        request: The whole HTTP request, or the gRPC message.
        begins: What the answer's body begins with.
        images: How many images one answer is worth.
        method: gRPC's ``/package.Service/Method``; empty for HTTP.
    """

    request: bytes
    begins: bytes
    images: int = 1
    method: str = ""


@dataclass
class Load:
    """What came of one run.

    Attributes:
        times_s: Seconds of each right answer.
        images: That the right answers are worth.
        refused: Answers that asked to come back later.
        seconds: From the first request to the last answer.
        client_s: CPU seconds of the client.
    """

    times_s: list[float] = field(default_factory=list)
    images: int = 0
    refused: int = 0
    seconds: float = 0.0
    client_s: float = 0.0


def http_request(path: str, media_type: str, body: bytes, **headers: str) -> bytes:
    """A whole POST request; underscores in headers' names become hyphens."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


def drive(address: str, exchanges: Sequence[Exchange], callers: int, seconds: float) -> Load:
    """Load ``address`` (host:port) with ``callers`` that go round ``exchanges``, of one transport.

    Raises:
        WrongAnswer: An answer was neither right nor a refusal.
        TimeoutError: The server fell silent.
    """
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        if exchanges[0].method:
            return runner.run(_drive_grpc(address, exchanges, callers, seconds))
        return runner.run(_drive_http(address, exchanges, callers, seconds))


def fast_loop() -> Callable[[], Loop] | None:
    """What makes uvloop's event loop, if it is there."""
    try:
        import uvloop  # noqa: PLC0415  (there is none on Windows)
    except ImportError:
        return None
    return uvloop.new_event_loop


def _round(exchanges: Sequence[Exchange], first: int) -> Iterator[Exchange]:
    """The exchanges for ever, from another one for each caller."""
    return islice(cycle(exchanges), first % len(exchanges), None)


class _Caller(asyncio.Protocol):
    """One connection of HTTP/1.1, one request at a time."""

    def __init__(
        self, load: Load, exchanges: Iterator[Exchange], over: asyncio.Future[None]
    ) -> None:
        self._load = load
        self._exchanges = exchanges
        self.over = over
        self._parser = httptools.HttpResponseParser(self)
        self._ends = self._sent = 0.0

    def start(self, ends: float) -> None:
        self._ends = ends
        self._send()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            # An exception of `on_message_complete` comes wrapped in the parser's own.
            self._fail(error.__context__ or error)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        if len(self._body) < _SHOWN_BYTES:
            self._body += body

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        status = self._parser.get_status_code()
        if status in REFUSALS:
            self._load.refused += 1
        elif status == OK and self._body.startswith(self._exchange.begins):
            self._load.times_s.append(now - self._sent)
            self._load.images += self._exchange.images
        else:
            raise WrongAnswer(f"the server answered {status} {self._body[:_SHOWN_BYTES]!r}")
        if now < self._ends:
            self._send()
        elif not self.over.done():
            self.over.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or WrongAnswer("the server closed a connection before the run was over"))

    def close(self) -> None:
        self._transport.close()

    def _send(self) -> None:
        self._exchange = next(self._exchanges)
        self._sent = time.perf_counter()
        self._transport.write(self._exchange.request)

    def _fail(self, error: BaseException) -> None:
        if not self.over.done():
            self.over.set_exception(error)


def _itself(caller: _Caller) -> _Caller:
    return caller


async def _drive_http(
    address: str, exchanges: Sequence[Exchange], callers: int, seconds: float
) -> Load:
    host, _, port = address.rpartition(":")
    loop, load = asyncio.get_running_loop(), Load()
    made = [
        _Caller(load, _round(exchanges, number), loop.create_future()) for number in range(callers)
    ]
    connected: list[_Caller] = []
    try:
        for each in made:
            await loop.create_connection(partial(_itself, each), host, int(port))
            connected.append(each)
        begun, used = time.perf_counter(), time.process_time()
        for each in made:
            each.start(begun + seconds)
        async with asyncio.timeout(seconds + PATIENCE_S):
            await asyncio.gather(*(each.over for each in made))
        load.seconds = time.perf_counter() - begun
        load.client_s = time.process_time() - used
    finally:
        for each in made:
            each.over.cancel()
        for each in connected:
            each.close()
    return load


async def _drive_grpc(
    address: str, exchanges: Sequence[Exchange], callers: int, seconds: float
) -> Load:
    load = Load()
    # A channel of its own pool is a connection of its own.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    channels = [
        grpc.aio.insecure_channel(address, options=options) for _ in range(min(callers, _CHANNELS))
    ]

    async def ask(channel: grpc.aio.Channel, exchange: Exchange) -> None:
        sent = time.perf_counter()
        try:
            body: bytes = await channel.unary_unary(exchange.method)(exchange.request)
        except grpc.aio.AioRpcError as error:
            if error.code() not in _REFUSED:
                found = f"{error.code()} {error.details()}"
                raise WrongAnswer(f"the server answered {found}") from None
            load.refused += 1
            return
        if not body.startswith(exchange.begins):
            raise WrongAnswer(f"the server answered {body[:_SHOWN_BYTES]!r}")
        load.times_s.append(time.perf_counter() - sent)
        load.images += exchange.images

    async def caller(number: int, ends: float) -> None:
        channel = channels[number % len(channels)]
        for exchange in _round(exchanges, number):
            await ask(channel, exchange)
            if time.perf_counter() >= ends:
                return

    try:
        async with asyncio.timeout(seconds + PATIENCE_S):
            await asyncio.gather(*(channel.channel_ready() for channel in channels))
            begun, used = time.perf_counter(), time.process_time()
            await asyncio.gather(*(caller(number, begun + seconds) for number in range(callers)))
        load.seconds = time.perf_counter() - begun
        load.client_s = time.process_time() - used
    finally:
        for channel in channels:
            await channel.close()
    return load

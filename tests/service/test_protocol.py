"""Heads are bounded, what is no HTTP is answered by the envelope, an answer is one write."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio
import uvicorn
from uvicorn.server import ServerState

from service.protocol import JOINED_BYTES, MAX_HEAD_BYTES, BoundedHttp, WholeAnswer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    Address = tuple[str, int]
    Exchange = Callable[[bytes], Awaitable[bytes]]

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
PART = MAX_HEAD_BYTES // 4


async def count(scope: Any, receive: Any, send: Any) -> None:
    """Answer how many bytes the body has."""
    assert scope["type"] == "http"
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    body = b"<%d>" % size
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


@pytest_asyncio.fixture(name="address")
async def _address(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Address]:
    """Where a server listens that counts bytes."""
    monkeypatch.setattr("service.protocol.KEEP_ALIVE_S", 1)
    config = uvicorn.Config(count, lifespan="off")
    config.load()
    loop = asyncio.get_running_loop()
    state = ServerState()
    server = await loop.create_server(lambda: BoundedHttp(config, state, {}), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()
    server.close()
    await asyncio.gather(*state.tasks)


@pytest.fixture(name="exchange")
def _exchange(address: Address) -> Exchange:
    """Send bytes in parts, give all that comes until the server closes or has nothing to say."""

    async def exchange(data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        try:
            for start in range(0, len(data), PART):
                writer.write(data[start : start + PART])
                await writer.drain()
                await asyncio.sleep(0)
            return await asyncio.wait_for(reader.read(), 20)
        except ConnectionError:
            return b"closed"
        finally:
            writer.close()

    return exchange


async def test_a_connection_rests_longer_than_clients_keep_it() -> None:
    config = uvicorn.Config(count, lifespan="off", timeout_keep_alive=5)
    config.load()
    assert BoundedHttp(config, ServerState(), {}).timeout_keep_alive > 60


def refused(answer: bytes, status: bytes, slug: str) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    error = orjson.loads(body)["error"]
    return (
        head.startswith(b"HTTP/1.1 " + status)
        and error["slug"] == slug
        and f"x-request-id: {error['request_id']}".encode() in head
    )


@pytest.mark.parametrize(
    "start",
    [b"GET /?", HEAD + b"X: ", HEAD + b"X: y\r\n" * (MAX_HEAD_BYTES // 6)],
    ids=["url", "header", "headers"],
)
async def test_a_head_without_an_end_is_refused(start: bytes, exchange: Exchange) -> None:
    answer = await exchange(start + b"y" * 2 * MAX_HEAD_BYTES)
    assert answer == b"closed" or refused(answer, b"413", "payload_too_large")


async def test_trailers_without_an_end_close_the_connection(exchange: Exchange) -> None:
    chunks = b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: "
    assert (await exchange(HEAD + chunks + b"y" * 3 * MAX_HEAD_BYTES)) in {b"", b"closed"}


async def test_bodies_of_any_size_and_many_requests_pass(exchange: Exchange) -> None:
    plain = HEAD + b"Content-Length: %d\r\n\r\n" % (9 * PART) + b"x" * 9 * PART
    tiny = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * PART + b"0\r\n\r\n"
    small = HEAD + b"Content-Length: 1\r\n\r\nx"
    answer = await exchange(plain + tiny + small * 2000)
    assert answer.count(b"HTTP/1.1 200") == 2002
    assert b"<%d>" % (9 * PART) in answer
    assert b"<%d>" % PART in answer


async def test_what_is_no_http_gets_the_envelope(exchange: Exchange) -> None:
    assert refused(await exchange(b"\x16\x03\x01\x02\x00\r\n\r\n"), b"400", "invalid_request")


class Wire:
    """A transport that keeps each write as it came."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ([b"head", b"body"], [b"headbody"]),
        ([b"head", b""], [b"head"]),
        ([b"head", b"a", b"b", b"c"], [b"heada", b"b", b"c"]),
        ([b"head", b"x" * (JOINED_BYTES + 1)], [b"head", b"x" * (JOINED_BYTES + 1)]),
    ],
    ids=["answer", "no body", "chunks", "long body"],
)
def test_a_head_leaves_with_its_body(written: list[bytes], sent: list[bytes]) -> None:
    wire: Any = Wire()
    answer = WholeAnswer(wire)
    for data in written:
        answer.write(data)
    assert wire.writes == sent
    assert not answer.is_closing()
    answer.close()
    assert wire.writes == sent
    assert answer.is_closing()


def test_a_head_without_a_body_leaves_when_the_connection_closes() -> None:
    wire: Any = Wire()
    answer = WholeAnswer(wire)
    answer.write(b"head")
    assert wire.writes == []
    answer.close()
    assert wire.writes == [b"head"]
    assert wire.closed


async def test_an_answer_to_head_does_not_wait_for_a_body(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.protocol.KEEP_ALIVE_S", 60)
    reader, writer = await asyncio.open_connection(*address)
    async with asyncio.timeout(20):
        writer.write(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_who_waits_for_100_continue_is_told_to_go_on(address: Address) -> None:
    reader, writer = await asyncio.open_connection(*address)
    async with asyncio.timeout(20):
        writer.write(HEAD + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await reader.readuntil(b">")).endswith(b"<3>")
    writer.close()


async def test_pipelined_answers_keep_their_order(exchange: Exchange) -> None:
    bodies = [b"x" * size for size in (3, 1, JOINED_BYTES + 1, 0, 2)]
    asked = b"".join(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies)
    answer = await exchange(asked)
    assert [part.partition(b">")[0] for part in answer.split(b"<")[1:]] == [
        b"%d" % len(body) for body in bodies
    ]

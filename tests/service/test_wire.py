"""Bodies are bounded while they come in; heads and replies are plain values."""

from __future__ import annotations

from typing import Any

import pytest

from inference.call import Call
from inference.errors import InvalidRequest, PayloadTooLarge
from service.wire import (
    ClientLeft,
    Reply,
    Request,
    caller_of,
    parse_query,
    read_body,
    replay,
    request_id,
    send_reply,
)


def ignore(count: int) -> None:
    """Let every chunk in."""


class Connection:
    """An ASGI connection that gives chunks and remembers what was sent."""

    def __init__(self, *chunks: bytes, leaves: bool = False) -> None:
        """Give these chunks, then close."""
        self.messages = [
            {"type": "http.request", "body": chunk, "more_body": leaves or i + 1 < len(chunks)}
            for i, chunk in enumerate(chunks)
        ]
        self.reads = 0
        self.sent: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        self.reads += 1
        return self.messages.pop(0) if self.messages else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


async def test_chunks_are_joined() -> None:
    connection = Connection(b"ab", b"", b"cd")
    assert await read_body(connection.receive, {}, 4, ignore) == b"abcd"


async def test_an_announced_length_is_refused_before_a_byte_is_read() -> None:
    connection = Connection(b"x" * 11)
    with pytest.raises(PayloadTooLarge, match=r"11 bytes.*limit is 10.*max_body_bytes"):
        await read_body(connection.receive, {b"content-length": b"11"}, 10, ignore)
    assert connection.reads == 0


async def test_a_body_without_a_length_is_refused_as_soon_as_it_is_too_long() -> None:
    connection = Connection(*[b"x" * 6] * 100)
    with pytest.raises(PayloadTooLarge, match="12 bytes so far"):
        await read_body(connection.receive, {}, 10, ignore)
    assert connection.reads == 2


async def test_a_caller_that_leaves_in_its_body_is_told_apart() -> None:
    with pytest.raises(ClientLeft):
        await read_body(Connection(b"ab", leaves=True).receive, {}, 10, ignore)


async def test_a_body_is_replayed_once() -> None:
    connection = Connection()
    receive = replay(b"body", connection.receive)
    assert (await receive())["body"] == b"body"
    assert (await receive())["type"] == "http.disconnect"


@pytest.mark.parametrize("sane", [b"a", b"order-17/3:retry_2", b"x" * 128])
def test_a_sane_request_id_is_kept(sane: bytes) -> None:
    assert request_id({b"x-request-id": sane}) == sane.decode()


@pytest.mark.parametrize("sent", [b"", b"x" * 129, b"two words", b"a\nb", "ü".encode()])
def test_any_other_request_id_is_replaced(sent: bytes) -> None:
    made = request_id({b"x-request-id": sent})
    assert len(made) == 16
    assert made != request_id({b"x-request-id": sent})


def test_query_fields() -> None:
    assert parse_query(b"n=3&prior=normal&empty=") == {"n": "3", "prior": "normal", "empty": ""}
    assert parse_query(b"") == {}
    with pytest.raises(InvalidRequest, match="gives 'n' twice"):
        parse_query(b"n=3&n=4")
    with pytest.raises(InvalidRequest, match="more than 64"):
        parse_query(b"&".join(b"a%d=1" % i for i in range(65)))


@pytest.mark.parametrize(
    ("header", "media_type"),
    [(b"Application/JSON; charset=utf-8", "application/json"), (b"", "")],
)
def test_media_type(header: bytes, media_type: str) -> None:
    request = Request("POST", "/", {b"content-type": header}, {}, b"", Call())
    assert request.media_type == media_type


@pytest.mark.parametrize("head_only", [False, True])
async def test_a_reply_carries_both_kinds_of_headers(*, head_only: bool) -> None:
    connection = Connection()
    reply = Reply(b"abc", "text/plain", 201, {"X-Seed": "7"})
    await send_reply(connection.send, reply, {"X-Request-ID": "r"}, head_only=head_only)
    start, body = connection.sent
    assert start["status"] == 201
    assert dict(start["headers"]) == {
        b"content-type": b"text/plain",
        b"content-length": b"3",
        b"x-seed": b"7",
        b"x-request-id": b"r",
    }
    assert body["body"] == (b"" if head_only else b"abc")


def test_the_caller_is_the_peers_address() -> None:
    assert caller_of({"type": "http", "client": ("192.0.2.7", 40000)}) == "192.0.2.7"
    assert caller_of({"type": "http", "client": None}) == "anonymous"

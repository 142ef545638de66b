"""The callers count right answers and refusals, and take nothing else for an answer."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import pytest

from benchmarks.load import Exchange, WrongAnswer, drive, http_request

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ASK = http_request("/path", "text/plain", b"body", X_Name="value")
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n2\r\nod\r\n0\r\n\r\n"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"


@contextlib.contextmanager
def answering(answer: Callable[[int], bytes]) -> Generator[tuple[str, list[bytes]]]:
    """A server that gives its n-th request ``answer(n)``; an empty answer closes the connection."""
    asked: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while len(request := self.rfile.read(len(ASK))) == len(ASK):
                asked.append(request)
                reply = answer(len(asked))
                if not reply:
                    return
                self.wfile.write(reply)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize("reply", [GOOD, CHUNKED], ids=["length", "chunked"])
def test_right_answers_are_counted_with_their_images(reply: bytes) -> None:
    with answering(lambda _: reply) as (address, asked):
        load = drive(address, (Exchange(ASK, b"good", images=3),), callers=2, seconds=0.2)
    assert load.images == 3 * len(load.times_s) == 3 * len(asked)
    assert len(asked) > 2
    assert load.refused == 0
    assert load.seconds >= 0.2
    assert set(asked) == {ASK}
    assert b"X-Name: value\r\n" in ASK


def test_refusals_are_counted_apart() -> None:
    with answering(lambda number: GOOD if number % 2 else BUSY) as (address, asked):
        load = drive(address, (Exchange(ASK, b"good"),), callers=1, seconds=0.05)
    assert load.images + load.refused == len(asked)
    assert abs(load.images - load.refused) <= 1


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (GOOD.replace(b"good", b"evil"), "200 b'evil'"),
        (GOOD.replace(b"200 OK", b"500 Internal"), "500"),
        (b"", "closed"),
    ],
)
def test_anything_else_ends_the_run(reply: bytes, words: str) -> None:
    with (
        answering(lambda number: GOOD if number < 3 else reply) as (address, _),
        pytest.raises(WrongAnswer, match=words),
    ):
        drive(address, (Exchange(ASK, b"good"),), callers=1, seconds=5)


def test_callers_go_round_the_exchanges_from_different_ones() -> None:
    other = ASK.replace(b"body", b"BODY")
    with answering(lambda _: GOOD) as (address, asked):
        drive(address, (Exchange(ASK, b"good"), Exchange(other, b"good")), callers=2, seconds=0.0)
    # Each caller sends once even if no time is left.
    assert sorted(asked) == sorted([ASK, other])


def test_grpc_messages_are_passed_on_unread() -> None:
    def handle(asked: bytes, context: grpc.ServicerContext) -> bytes:
        if asked == b"busy":
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")
        return b"\n" + asked

    handler = grpc.unary_unary_rpc_method_handler(handle)
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.B", {"C": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        good = Exchange(b"x", b"\nx", images=2, method="/a.B/C")
        load = drive(f"127.0.0.1:{port}", (good,), callers=2, seconds=0.05)
        assert load.images == 2 * len(load.times_s) > 0
        refused = drive(
            f"127.0.0.1:{port}", (Exchange(b"busy", b"", method="/a.B/C"),), callers=1, seconds=0.02
        )
        assert (refused.images, refused.refused > 0) == (0, True)
        with pytest.raises(WrongAnswer, match="UNIMPLEMENTED"):
            drive(f"127.0.0.1:{port}", (Exchange(b"", b"", method="/a.B/D"),), 1, 0.02)
    finally:
        server.stop(None).wait()

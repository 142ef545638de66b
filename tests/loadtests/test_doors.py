"""What one client makes of each kind of answer, over HTTP and gRPC."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from loadtests.access import Access, Target
from loadtests.client import fetch
from loadtests.doors import GrpcDoor, HttpDoor, Reply
from loadtests.examples import Example
from loadtests.own_server import free_port
from tests.support.wire_server import png, wire_server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

DECODE = Example(
    "http decode",
    "POST",
    "/v1/decode",
    {"Content-Type": "application/json"},
    b'{"latents": [[7, 7, 7]]}',
    "png",
    exact=False,
    alone=b"",
)
CALL = Example("grpc decode", "", "/a.B/C", {}, b"question", "a.D", exact=False, alone=b"")


def over_http(host: str) -> Reply:
    door = HttpDoor(Target(host, "x:1"))
    try:
        return door.send(DECODE)
    finally:
        door.close()


def test_http_answers() -> None:
    with wire_server() as host:
        assert over_http(host) == Reply("ok", png(7))
    with wire_server("shed") as host:
        fetch(host, "GET", "/metrics")
        assert over_http(host) == Reply("shed", reason="status 429", wait_s=1.0)
    with wire_server("error") as host:
        fetch(host, "GET", "/metrics")
        assert over_http(host) == Reply("failed", reason='status 500: {"error": "broken"}')


def test_nobody_there_is_a_failure() -> None:
    reply = over_http(f"http://127.0.0.1:{free_port()}")
    assert (reply.result, reply.reason.partition(":")[0]) == ("failed", "no answer")


@contextmanager
def grpc_server(answer: Callable[[bytes, Any], bytes]) -> Generator[Target]:
    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:  # noqa: ARG002  (gRPC's name)
            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield Target("http://x", f"127.0.0.1:{port}", Access("lsk_mine"))
    finally:
        server.stop(None).wait()


@pytest.fixture(autouse=True)
def no_gevent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' process is not patched, and must stay so."""
    monkeypatch.setattr("grpc.experimental.gevent.init_gevent", lambda: None)


def over_grpc(answer: Callable[[bytes, Any], bytes]) -> Reply:
    with grpc_server(answer) as target:
        door = GrpcDoor(target)
        try:
            return door.send(CALL)
        finally:
            door.close()


def test_grpc_answers_and_the_key_goes_along() -> None:
    def answer(request: bytes, context: Any) -> bytes:
        sent = dict(context.invocation_metadata())
        return request + sent["authorization"].encode()

    assert over_grpc(answer) == Reply("ok", b"questionBearer lsk_mine")


@pytest.mark.parametrize(
    ("slug", "result"),
    [
        ("queue_full", "shed"),
        ("shutting_down", "shed"),
        ("payload_too_large", "failed"),
        ("", "failed"),
    ],
)
def test_grpc_refusals_are_told_apart_by_their_slug(slug: str, result: str) -> None:
    def refuse(_: bytes, context: Any) -> bytes:
        trailing = (("x-error-slug", slug), ("retry-after", "2")) if slug else ()
        context.set_trailing_metadata(trailing)
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")
        return b""

    reply = over_grpc(refuse)
    if result == "shed":
        assert reply == Reply("shed", reason=f"RESOURCE_EXHAUSTED {slug}", wait_s=2.0)
    else:
        assert reply == Reply("failed", reason=f"RESOURCE_EXHAUSTED {slug}: too much")

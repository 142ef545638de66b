"""No request leaves anything for the garbage collector, which comes seldom and would find much.

All of it on the server's own event loop: asyncio's leaves something for each connection. gRPC
leaves something for each call, in which no image may hang.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import orjson
import pytest
import uvicorn
from uvicorn.server import ServerState

from service.app import create_app
from service.proto.latentserve.v1 import latents_pb2 as messages
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from service.protocol import BoundedHttp
from service.runtime import Runtime
from service.settings import Settings
from tests.support.grpc_app import served_grpc
from tests.support.http_app import npy, png
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    Address = tuple[str, int]

uvloop = pytest.importorskip("uvloop", reason="the server runs without it on Windows only")
T = TypeVar("T")
REQUESTS = 5
SETTLED_S = 0.1
"""Until the server's side of a connection has ended, and what was asked for by who left."""
LATENTS = orjson.dumps({"latents": [[0.0, 1.0, -1.0, 0.5]]})
MANY = b'{"n": 64, "seed": 7}'
HEAVY = png(size=1500)


def post(path: str, media_type: str, body: bytes, *lines: str) -> bytes:
    more = "".join(f"{line}\r\n" for line in lines)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


KINDS = {
    "an image": (post("/v1/encode", "image/png", png()), 200),
    "a heavy image": (post("/v1/encode", "image/png", HEAVY), 200),
    "latents": (post("/v1/decode", "application/json", LATENTS), 200),
    "a sample": (post("/v1/sample", "application/json", b'{"n": 1}'), 200),
    "OIP": (post("/v2/models/encoder/infer", "application/json", b'{"inputs": []}'), 400),
    "an image cut short": (post("/v1/encode", "image/png", png()[:-30]), 400),
    "a heavy image cut short": (post("/v1/encode", "image/png", HEAVY[:-30]), 400),
    "no image": (post("/v1/encode", "image/png", b"hello"), 415),
    "no JSON": (post("/v1/decode", "application/json", b"{"), 400),
    "no array": (post("/v1/decode", "application/x-npy", npy([[1.0]])[:40]), 400),
    "latents of another length": (post("/v1/decode", "application/x-npy", npy([[1.0]])), 422),
    "no format to answer in": (
        post("/v1/decode", "application/json", LATENTS, "Accept: text/html"),
        406,
    ),
    "a deadline": (
        post("/v1/decode", "application/json", LATENTS, "X-Deadline-Ms: 0.001"),
        504,
    ),
    "no route": (post("/v1/nowhere", "application/json", b"{}"), 404),
}


@pytest.fixture(name="runner", scope="module")
def _runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@pytest.fixture(name="bundle", scope="module")
def _bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(name="address", scope="module")
def _address(bundle: Path, runner: asyncio.Runner) -> Iterator[Address]:
    settings = Settings(bundle=bundle, device="cpu", threads=2, max_queue_size=64, max_items=64)
    runtime = Runtime(settings)
    config = uvicorn.Config(create_app(settings, runtime=runtime), lifespan="off")
    config.load()
    state = ServerState()

    async def start() -> asyncio.Server:
        runtime.open()
        runtime.start()
        await runtime.ready()
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: BoundedHttp(config, state, {}), "127.0.0.1", 0)

    server = runner.run(start())
    yield server.sockets[0].getsockname()
    server.close()
    runner.run(runtime.aclose())


async def ask(address: Address, request: bytes, times: int) -> list[int]:
    """Send the same request again and again on one connection; its answers' statuses."""
    reader, writer = await asyncio.open_connection(*address)
    statuses = []
    for _ in range(times):
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        statuses.append(int(head.split()[1]))
    writer.close()
    await writer.wait_closed()
    return statuses


async def times(number: int, method: Any, request: object) -> None:
    for _ in range(number):
        with contextlib.suppress(grpc.aio.AioRpcError):
            await method(request)


async def ask_and_leave(address: Address, request: bytes) -> None:
    _, writer = await asyncio.open_connection(*address)
    writer.write(request)
    await writer.drain()
    await asyncio.sleep(0.005)
    writer.transport.abort()


async def garbage(doing: Callable[[], Awaitable[T]]) -> tuple[T, list[object]]:
    """What it gives when it is done a second time, and what only a collection would free then."""
    await doing()
    await asyncio.sleep(SETTLED_S)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        given = await doing()
        await asyncio.sleep(SETTLED_S)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return given, list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.unfreeze()


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_leaves_no_garbage(kind: str, address: Address, runner: asyncio.Runner) -> None:
    request, status = KINDS[kind]
    statuses, found = runner.run(garbage(lambda: ask(address, request, REQUESTS)))
    assert statuses == [status] * REQUESTS
    assert [f"{type(each).__name__} {each!r:.200}" for each in found] == []


def test_refusals_leave_no_garbage(address: Address, runner: asyncio.Runner) -> None:
    request = post("/v1/sample", "application/json", MANY)

    async def flood() -> set[int]:
        answers = await asyncio.gather(*(ask(address, request, 1) for _ in range(20)))
        return {status for statuses in answers for status in statuses}

    assert runner.run(garbage(flood)) == ({200, 429}, [])


@pytest.mark.parametrize("missing", [0, 5], ids=["after the body", "within the body"])
def test_callers_who_leave_leave_no_garbage(
    missing: int, address: Address, runner: asyncio.Runner
) -> None:
    whole = post("/v1/sample", "application/json", MANY)
    part = whole[: len(whole) - missing]

    async def leave() -> None:
        for _ in range(REQUESTS):
            await ask_and_leave(address, part)

    assert runner.run(garbage(leave)) == (None, [])


@pytest.mark.parametrize("image", [png(), png()[:-30], b"hello"], ids=["good", "cut short", "none"])
def test_no_image_hangs_in_what_grpc_leaves(
    image: bytes, bundle: Path, runner: asyncio.Runner
) -> None:
    padding = b" " * 100_000  # after a file's end: nobody looks at it
    request = messages.EncodeRequest(images=messages.Images(files=[image + padding]))

    async def call() -> list[object]:
        async with served_grpc(bundle) as (channel, _):
            encode = LatentsStub(channel).Encode
            return (await garbage(lambda: times(REQUESTS, encode, request)))[1]

    held = [each for left in runner.run(call()) for each in gc.get_referents(left)]
    sizes = [len(each) for each in held if isinstance(each, bytes | bytearray)]
    assert max(sizes, default=0) < len(padding)

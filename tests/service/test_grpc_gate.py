"""The door of gRPC: ids, deadlines, callers that leave, drain, faults, limits, metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio

from service.grpc_gate import Gate, Unary
from service.grpc_latents import SERVICE, LatentsService
from service.grpc_server import GrpcServer
from service.proto.latentserve.v1 import latents_pb2 as pb
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from service.runtime import Runtime
from service.settings import Settings
from tests.support.grpc_app import served_grpc, slug_of, until
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

Pair = tuple[Any, Runtime]
DECODE = "/latentserve.v1.Latents/Decode"
LATENTS = pb.Matrix(rows=1, columns=4, values=[0, 1, -1, 0.5])
ASKED = pb.DecodeRequest(latents=LATENTS, format=pb.IMAGE_FORMAT_PIXELS)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest_asyncio.fixture(name="app")
async def _app(bundle: Path) -> AsyncGenerator[Pair]:
    async with served_grpc(bundle, max_body_bytes=4096, access_log=True) as pair:
        yield pair


def count(runtime: Runtime, status: str, slug: str, route: str = DECODE) -> float | None:
    labels = {"route": route, "status": status, "slug": slug}
    return runtime.telemetry.registry.get_sample_value("latentserve_requests_total", labels)


class Slow:
    """A decoder that never answers."""

    def __init__(self, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put it in the place of the engine's."""
        self.started, self.cancelled = asyncio.Event(), asyncio.Event()
        monkeypatch.setattr(runtime.engine, "decode", self._decode)

    async def _decode(self, *_: object) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


async def test_every_answer_carries_the_facts(app: Pair) -> None:
    call = LatentsStub(app[0]).Decode(ASKED, metadata=(("x-request-id", "mine-1"),))
    await call
    facts = dict(await call.trailing_metadata())
    assert (facts["x-request-id"], facts["x-model-version"]) == ("mine-1", "1")
    assert facts["x-batch-size"] == "1"
    assert facts["server-timing"].startswith("queue;dur=")
    strange = LatentsStub(app[0]).Decode(ASKED, metadata=(("x-request-id", "not sane!"),))
    await strange
    assert len(dict(await strange.trailing_metadata())["x-request-id"]) == 16
    assert count(app[1], "OK", "ok") == 2


async def test_what_is_no_message(app: Pair) -> None:
    channel, runtime = app
    assert await slug_of(channel.unary_unary(DECODE)(b"\xff\xff")) == "invalid_request"
    assert await slug_of(channel.unary_unary(DECODE)(b"\x00" * 5000)) == "payload_too_large"
    nowhere = "/latentserve.v1.Latents/Decodes"
    assert await slug_of(channel.unary_unary(nowhere)(b"")) == "route_not_found"
    assert await slug_of(channel.unary_unary("/a.B/C")(b"")) == "route_not_found"
    assert count(runtime, "INVALID_ARGUMENT", "payload_too_large") == 1
    assert count(runtime, "UNIMPLEMENTED", "route_not_found", "unknown") == 2
    assert "a.B" not in runtime.telemetry.exposition().decode()


async def test_a_message_far_too_large_is_not_even_read(app: Pair) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await app[0].unary_unary(DECODE)(bytes(9000))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert app[1].bodies.held == 0


async def test_compressed_messages_are_refused(app: Pair) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await app[0].unary_unary(DECODE)(bytes(1000), compression=grpc.Compression.Gzip)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_messages_that_hold_too_much_together_are_refused(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.bodies.BODIES_AT_ONCE", 0)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await LatentsStub(app[0]).Decode(ASKED)
    facts = dict(caught.value.trailing_metadata())
    assert (facts["x-error-slug"], facts["retry-after"]) == ("queue_full", "1")


async def test_a_caller_that_leaves_cancels_its_work(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, runtime = app
    slow = Slow(runtime, monkeypatch)
    call = LatentsStub(channel).Decode(ASKED)
    await slow.started.wait()
    call.cancel()
    await asyncio.wait_for(slow.cancelled.wait(), 10)
    await until(lambda: count(runtime, "CANCELLED", "client_left") == 1)
    assert runtime.bodies.held == 0


async def test_a_deadline_of_the_call_cancels_its_work(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, runtime = app
    slow = Slow(runtime, monkeypatch)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await LatentsStub(channel).Decode(ASKED, timeout=0.1)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(slow.cancelled.wait(), 10)
    await until(lambda: count(runtime, "DEADLINE_EXCEEDED", "deadline_exceeded") == 1)


async def test_the_servers_own_limit_of_time(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served_grpc(bundle, deadline_ms=20) as (channel, runtime):
        slow = Slow(runtime, monkeypatch)
        assert await slug_of(LatentsStub(channel).Decode(ASKED)) == "deadline_exceeded"
        assert slow.cancelled.is_set()


async def test_a_fault_shows_the_request_id_and_no_more(
    app: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    channel, runtime = app

    async def decode(*_: object) -> None:
        raise RuntimeError("a secret path")

    monkeypatch.setattr(runtime.engine, "decode", decode)
    call = LatentsStub(channel).Decode(ASKED, metadata=(("x-request-id", "r7"),))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert "r7" in str(caught.value.details())
    assert "secret" not in str(caught.value)
    assert "a secret path" in caplog.text


async def test_not_ready_before_the_warm_up_and_not_while_draining(bundle: Path) -> None:
    runtime = Runtime(Settings(bundle=bundle, device="cpu", threads=1, grpc_port=0))
    server = GrpcServer(runtime)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = LatentsStub(channel)
        seen = [await slug_of(stub.Decode(ASKED)), await slug_of(stub.GetModel(ASKED_MODEL))]
        runtime.open()
        seen += [await slug_of(stub.Decode(ASKED)), await slug_of(stub.GetModel(ASKED_MODEL))]
        runtime.start()
        await runtime.ready()
        seen.append(await slug_of(stub.Decode(ASKED)))
        runtime.drain()
        seen += [await slug_of(stub.Decode(ASKED)), await slug_of(stub.GetModel(ASKED_MODEL))]
    await server.stop()
    await runtime.aclose()
    assert seen == ["not_ready", "not_ready", "not_ready", "ok", "ok", "shutting_down", "ok"]


ASKED_MODEL = pb.GetModelRequest()


async def test_a_stream_ends_with_the_drain_after_its_answers(app: Pair) -> None:
    channel, runtime = app
    stream = LatentsStub(channel).DecodeStream()
    await stream.write(ASKED)
    assert (await stream.read()).HasField("answer")
    runtime.drain()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert dict(caught.value.trailing_metadata())["x-error-slug"] == "shutting_down"


async def test_a_stream_that_is_cancelled_leaves_nothing(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, runtime = app
    slow = Slow(runtime, monkeypatch)
    stream = LatentsStub(channel).DecodeStream(metadata=(("x-request-id", "s"),))
    for _ in range(3):
        await stream.write(ASKED)
    assert dict(await stream.initial_metadata())["x-request-id"] == "s"
    await slow.started.wait()
    stream.cancel()
    await asyncio.wait_for(slow.cancelled.wait(), 10)
    label = "/latentserve.v1.Latents/DecodeStream"
    await until(lambda: count(runtime, "CANCELLED", "client_left", label) is not None)
    await until(lambda: runtime.bodies.held == 0)


async def test_a_sender_is_held_back_while_its_requests_are_unanswered(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served_grpc(bundle, max_batch_size=2) as (channel, runtime):
        begun = 0
        go_on = asyncio.Event()
        decode = runtime.engine.decode

        async def note(*arguments: Any) -> Any:
            nonlocal begun
            begun += 1
            await go_on.wait()
            return await decode(*arguments)

        monkeypatch.setattr(runtime.engine, "decode", note)

        async def requests() -> AsyncGenerator[pb.DecodeRequest]:
            for _ in range(20):
                yield ASKED

        stream = LatentsStub(channel).DecodeStream(requests())
        await until(lambda: begun == 4)
        # Other calls go on meanwhile, so this one would have been taken on.
        await LatentsStub(channel).GetModel(ASKED_MODEL)
        assert begun == 4
        go_on.set()
        assert len([answer async for answer in stream]) == 20


async def test_fairness_goes_by_the_peers_address(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, runtime = app
    callers: list[str] = []
    decode = runtime.engine.decode

    async def note(latents: Any, call: Any, then: Any) -> Any:
        callers.append(call.caller)
        return await decode(latents, call, then)

    monkeypatch.setattr(runtime.engine, "decode", note)
    await LatentsStub(channel).Decode(ASKED)
    assert callers == ["127.0.0.1"]


def test_a_table_that_is_not_the_services(bundle: Path) -> None:
    runtime = Runtime(Settings(bundle=bundle))
    methods: dict[str, Any] = LatentsService(runtime).methods()
    methods["Another"] = methods.pop("Encode")
    assert isinstance(methods["Another"], Unary)
    with pytest.raises(ValueError, match=r"latentserve\.v1\.Latents has"):
        Gate(runtime).handlers(SERVICE, methods)

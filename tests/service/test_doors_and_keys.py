"""Keys at every way in: one answer for who has none, names, limits, revocation, shares."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from inference.sessions import OrtGraph
from service.app import create_app
from service.grpc_server import GrpcServer
from service.keys import new_key
from service.proto.latentserve.v1 import latents_pb2 as v1
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from service.proto.oip import open_inference_pb2 as oip
from service.proto.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from service.runtime import Runtime
from service.settings import Settings
from tests.support.doors import Door, Refused, doors
from tests.support.grpc_app import slug_of, until
from tests.support.tiny_bundle import banded_image, write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
    from pathlib import Path

ROW = np.array([[0, 1, -1, 0.5]], np.float32)
PICTURES = np.stack([banded_image([0, 85, 170, 255])] * 6)
SHOP, SHOP_KEY = new_key("shop")
SMALL, SMALL_KEY = new_key("small", 4)
UNKNOWN, _ = new_key("unknown")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"{SHOP_KEY.line()}\n{SMALL_KEY.line()}\n")
    return path


class Bearer:
    """Sends a key along with every call."""

    def __init__(self, key: str) -> None:
        """Keep the key."""
        self._pair = ("authorization", f"Bearer {key}")

    def with_key(self, details: Any) -> Any:
        return grpc.aio.ClientCallDetails(
            details.method,
            details.timeout,
            (*(details.metadata or ()), self._pair),
            details.credentials,
            details.wait_for_ready,
        )


class BearerOfOne(Bearer, grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # not typed
    """Of calls with one message."""

    async def intercept_unary_unary(self, go_on: Any, details: Any, request: Any) -> Any:
        return await go_on(self.with_key(details), request)


class BearerOfMany(Bearer, grpc.aio.StreamStreamClientInterceptor):  # type: ignore[misc]  # as above
    """Of streams."""

    async def intercept_stream_stream(self, go_on: Any, details: Any, requests: Any) -> Any:
        return await go_on(self.with_key(details), requests)


class Place:
    """One worker, and its doors for whoever has a key."""

    def __init__(self, runtime: Runtime, port: int, stack: contextlib.AsyncExitStack) -> None:
        """Nobody is connected."""
        self.runtime = runtime
        self._port = port
        self._stack = stack
        self._app = create_app(runtime.settings, runtime=runtime)

    async def client(self, key: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx.ASGITransport(app=self._app)
        client = httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)
        return await self._stack.enter_async_context(client)

    async def channel(self, key: str) -> Any:
        channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{self._port}",
            interceptors=[BearerOfOne(key), BearerOfMany(key)] if key else None,
        )
        return await self._stack.enter_async_context(channel)

    async def doors(self, key: str) -> list[Door]:
        return doors(await self.client(key), await self.channel(key))

    def count(self, caller: str, slug: str) -> float | None:
        labels = {"caller": caller, "slug": slug}
        name = "latentserve_caller_requests_total"
        return self.runtime.telemetry.registry.get_sample_value(name, labels)


@contextlib.asynccontextmanager
async def place(bundle: Path, **settings: Any) -> AsyncGenerator[Place]:
    """A warm worker that asks for keys."""
    options = {"threads": 1, "max_items": 8, "grpc_port": 0, "device": "cpu", **settings}
    runtime = Runtime(Settings(bundle=bundle, **options))
    runtime.open()
    runtime.start()
    await runtime.ready()
    server = GrpcServer(runtime)
    await server.start()
    try:
        async with contextlib.AsyncExitStack() as stack:
            yield Place(runtime, server.port, stack)
    finally:
        runtime.drain()
        await server.stop()
        await runtime.aclose()


class Held:
    """The graphs, made to wait before each batch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Hold from now on."""
        self.free = asyncio.Event()
        run = OrtGraph.__call__

        async def wait(graph: OrtGraph, batch: Any) -> Any:
            await self.free.wait()
            return await run(graph, batch)

        monkeypatch.setattr(OrtGraph, "__call__", wait)


async def end_of(ask: Coroutine[Any, Any, Any]) -> str:
    try:
        await ask
    except Refused as refused:
        return refused.slug
    return "ok"


async def test_every_door_asks_and_tells_the_same(bundle: Path, keys: Path) -> None:
    async with place(bundle, api_keys_file=keys) as here:
        for key, slug in (("", "unauthenticated"), (UNKNOWN, "unauthenticated"), (SHOP, "ok")):
            ways = await here.doors(key)
            assert [await end_of(door.decode(ROW)) for door in ways] == [slug] * len(ways)
        assert (here.count("shop", "ok"), here.count("", "unauthenticated")) == (6, 12)
        text = here.runtime.telemetry.exposition().decode()
        assert SHOP not in text
        assert 'route="/latentserve.v1.Latents/Decode",slug="unauthenticated"' in text


async def test_every_route_but_health_asks(bundle: Path, keys: Path) -> None:
    async with place(bundle, api_keys_file=keys) as here:
        client = await here.client("")
        for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready"):
            assert (await client.get(path)).status_code == 200
        for path in ("/", "/docs", "/openapi.json", "/metrics", "/v1/model", "/v2", "/nowhere"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert (await client.get("/v1/model")).json()["error"]["slug"] == "unauthenticated"
        assert (await client.get("/v2")).json()["slug"] == "unauthenticated"
        known = await here.client(SHOP)
        assert (await known.get("/metrics")).status_code == 200
        assert (await known.get("/nowhere")).status_code == 404


async def test_grpc_asks_for_everything_but_health(bundle: Path, keys: Path) -> None:
    async with place(bundle, api_keys_file=keys) as here:
        nobody = await here.channel("")
        asked = health_pb2.HealthCheckRequest()
        assert (await health_pb2_grpc.HealthStub(nobody).Check(asked)).status == 1
        watched = health_pb2_grpc.HealthStub(nobody).Watch(asked)
        assert (await watched.read()).status == 1
        watched.cancel()
        live = await GRPCInferenceServiceStub(nobody).ServerLive(oip.ServerLiveRequest())
        assert live.live
        for call in (
            LatentsStub(nobody).GetModel(v1.GetModelRequest()),
            GRPCInferenceServiceStub(nobody).ServerMetadata(oip.ServerMetadataRequest()),
            nobody.unary_unary("/a.B/C")(b""),
            nobody.unary_unary("/latentserve.v1.Latents/Decode")(b"\xff"),
            LatentsStub(nobody).DecodeStream(iter([v1.DecodeRequest()])).read(),
            reflected(nobody),
        ):
            assert await slug_of(call) == "unauthenticated"
        assert await slug_of(reflected(await here.channel(SHOP))) == "ok"


async def reflected(channel: Any) -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    async for _ in stub.ServerReflectionInfo(iter([asked])):
        return


async def test_a_large_message_of_nobody_is_not_read(bundle: Path, keys: Path) -> None:
    async with place(bundle, api_keys_file=keys, max_body_bytes=4096) as here:
        nobody = await here.channel("")
        far_too_large = nobody.unary_unary("/latentserve.v1.Latents/Decode")(bytes(1 << 20))
        assert await slug_of(far_too_large) == "unauthenticated"


def revoke(keys: Path, runtime: Runtime) -> None:
    """Leave one key in the file, and do not wait for the worker to look at it."""
    keys.write_text(SMALL_KEY.line())
    runtime.access.refresh()


async def test_endless_metadata_is_refused(bundle: Path, keys: Path) -> None:
    async with place(bundle, api_keys_file=keys) as here:
        stub = LatentsStub(await here.channel(""))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetModel(v1.GetModelRequest(), metadata=(("authorization", "x" * 40_000),))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_key_is_revoked_in_the_middle_of_a_stream(bundle: Path, keys: Path) -> None:
    async with place(bundle, api_keys_file=keys) as here:
        asked = v1.DecodeRequest(latents=v1.Matrix(rows=1, columns=4, values=[0, 1, -1, 0.5]))
        stream = LatentsStub(await here.channel(SHOP)).DecodeStream()
        await stream.write(asked)
        assert not (await stream.read()).HasField("failure")
        revoke(keys, here.runtime)
        await stream.write(asked)
        assert (await stream.read()).failure.slug == "unauthenticated"
        await stream.done_writing()
        assert [await end_of(door.decode(ROW)) for door in await here.doors(SHOP)] == [
            "unauthenticated"
        ] * 6


async def test_the_limit_of_a_key_is_the_same_everywhere(
    bundle: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place(bundle, api_keys_file=keys) as here:
        held, ways = Held(monkeypatch), await here.doors(SMALL)
        rows = np.repeat(ROW, 4, 0)
        for door in ways:
            assert await end_of(door.decode(np.repeat(ROW, 5, 0))) == "too_many_items"
            assert await end_of(door.encode(PICTURES)) == "too_many_items"
        first = asyncio.ensure_future(ways[-1].decode(rows))
        await until(lambda: here.runtime.engine.admission.in_flight == 4)
        for door in ways:
            assert await end_of(door.decode(ROW)) == "queue_full"
        client = await here.client(SMALL)
        answer = await client.post("/v1/decode", json={"latents": ROW.tolist()})
        assert int(answer.headers["retry-after"]) >= 1
        assert "its key may have 4 at a time" in answer.json()["error"]["message"]
        # Another name has its own, or none.
        other = asyncio.ensure_future((await here.doors(SHOP))[0].decode(np.repeat(ROW, 8, 0)))
        await until(lambda: here.runtime.engine.admission.in_flight == 12)
        held.free.set()
        await asyncio.gather(first, other)
        assert [await end_of(door.decode(rows)) for door in ways] == ["ok"] * 6
        assert here.count("small", "queue_full") == 7


async def test_a_flood_of_one_name_does_not_shut_another_out(
    bundle: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place(bundle, api_keys_file=keys, max_queue_size=64, max_batch_size=4) as here:
        held = Held(monkeypatch)
        greedy, modest = (await here.doors(SHOP))[-1], (await here.doors(SMALL))[0]
        tasks = [asyncio.ensure_future(end_of(greedy.decode(ROW))) for _ in range(80)]
        await until(lambda: sum(task.done() for task in tasks) >= 80 - 64 - 8)
        await until(lambda: here.runtime.engine.queues["decoder"]() == 64)
        assert await end_of(modest.decode(ROW)) == "queue_full"
        held.free.set()
        await until(lambda: here.runtime.engine.queues["decoder"]() <= 48)
        assert await end_of(modest.decode(ROW)) == "ok"
        ends = await asyncio.gather(*tasks)
        assert set(ends) == {"ok", "queue_full"}
        assert ends.count("ok") >= 65

"""All six ways into one worker at the same time: equal arrays, shared batches, equal refusals."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import numpy as np
import pytest

from inference.errors import ERRORS
from inference.sessions import OrtGraph
from service.app import create_app
from service.grpc_server import GrpcServer
from service.runtime import Runtime
from service.settings import Settings
from tests.support.doors import Door, Refused, doors
from tests.support.grpc_app import served_grpc, until
from tests.support.tiny_bundle import banded_image, write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from pathlib import Path

    Ask = Callable[[Door], Coroutine[Any, Any, Any]]

ROW = np.array([[0, 1, -1, 0.5]], np.float32)
ROWS = np.array([[0, 1, -1, 0.5], [2, -2, 0, 1], [0.25, 0, 0, -1]], np.float32)
PICTURES = np.stack([banded_image([0, 85, 170, 255]), banded_image([64, 64, 64, 64])])
STRENGTHS = {"glasses": 1.0, "smile": -0.5}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@contextlib.asynccontextmanager
async def served(bundle: Path, **settings: Any) -> AsyncGenerator[tuple[list[Door], Runtime]]:
    """One worker with all its doors."""
    async with served_grpc(bundle, **{"threads": 1, "max_items": 8, **settings}) as (
        channel,
        worker,
    ):
        app = create_app(worker.settings, runtime=worker)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield doors(client, channel), worker


class Held:
    """The graphs, made to wait before each batch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Hold from now on."""
        self.free = asyncio.Event()
        self.batches = 0
        run = OrtGraph.__call__

        async def wait(graph: OrtGraph, batch: Any) -> Any:
            self.batches += 1
            await self.free.wait()
            return await run(graph, batch)

        monkeypatch.setattr(OrtGraph, "__call__", wait)

    async def fill(self, door: Door) -> list[asyncio.Future[Any]]:
        """Requests that take the one thread and the place of the batch that comes after."""
        asked = []
        for number in (1, 2):
            asked.append(asyncio.ensure_future(door.decode(ROW)))
            await until(lambda number=number: self.batches == number)  # type: ignore[misc]
        return asked


async def slug_of(ask: Coroutine[Any, Any, Any]) -> str:
    try:
        await ask
    except Refused as refused:
        return refused.slug
    return "ok"


OPERATIONS: dict[str, Ask] = {
    "encode": lambda door: door.encode(PICTURES),
    "decode": lambda door: door.decode(ROWS),
    "sample": lambda door: door.sample(3, 7),
    "shift": lambda door: door.shift(PICTURES, STRENGTHS),
}


async def test_at_the_same_time_all_give_equal_arrays(bundle: Path) -> None:
    async with served(bundle) as (ways, _):
        for name, ask in OPERATIONS.items():
            answers = await asyncio.gather(*(ask(door) for door in ways for _ in range(4)))
            for answer in answers:
                assert answer.array.shape == answers[0].array.shape, name
                assert np.array_equal(answer.array, answers[0].array), name


async def test_all_ride_in_the_same_micro_batch(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(bundle) as (ways, worker):
        held = Held(monkeypatch)
        first = await held.fill(ways[0])
        rest = [asyncio.ensure_future(door.decode(ROW + index)) for index, door in enumerate(ways)]
        await until(lambda: worker.engine.queues["decoder"]() == len(ways))
        held.free.set()
        assert [answer.batch for answer in await asyncio.gather(*first)] == [1, 1]
        answers = await asyncio.gather(*rest)
        assert [answer.batch for answer in answers] == [len(ways)] * len(ways)
        for index, answer in enumerate(answers):
            assert np.array_equal(answer.array, (await ways[0].decode(ROW + index)).array)
        sample = worker.telemetry.registry.get_sample_value
        assert sample("latentserve_batch_items_sum", {"graph": "decoder"}) == 2 + 2 * len(ways)
        assert sample("latentserve_batch_items_count", {"graph": "decoder"}) == 3 + len(ways)


REFUSALS: dict[str, tuple[str, Ask]] = {
    "three values": ("shape_mismatch", lambda door: door.decode(ROW[:, :3])),
    "no row": ("invalid_request", lambda door: door.decode(ROW[:0])),
    "not a number": ("invalid_request", lambda door: door.decode(ROW * np.nan)),
    "beyond": ("invalid_request", lambda door: door.decode(ROW + np.float32(1e7))),
    "too many rows": ("too_many_items", lambda door: door.decode(np.repeat(ROW, 9, 0))),
    "too many images": ("too_many_items", lambda door: door.encode(np.repeat(PICTURES, 5, 0))),
    "none to sample": ("invalid_request", lambda door: door.sample(0, 1)),
    "too many to sample": ("too_many_items", lambda door: door.sample(9, 1)),
    "no such seed": ("invalid_request", lambda door: door.sample(1, -1)),
    "too strong": ("invalid_request", lambda door: door.shift(PICTURES, {"smile": 11})),
    "no strength": ("invalid_request", lambda door: door.shift(PICTURES, {"smile": np.nan})),
    "too large": (
        "payload_too_large",
        lambda door: door.encode(
            np.random.default_rng(0).integers(0, 256, (7, 80, 80, 3), np.uint8)
        ),
    ),
}


async def test_the_same_mistake_has_the_same_slug_everywhere(bundle: Path) -> None:
    async with served(bundle, max_body_bytes=1 << 17) as (ways, worker):
        for name, (slug, ask) in REFUSALS.items():
            slugs = await asyncio.gather(*(slug_of(ask(door)) for door in ways))
            assert slugs == [slug] * len(ways), name
        assert await asyncio.gather(*(slug_of(door.decode(ROW)) for door in ways)) == ["ok"] * 6
        assert worker.engine.admission.in_flight == worker.bodies.held == 0


async def test_a_full_queue_refuses_all_alike(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(bundle, max_queue_size=8) as (ways, worker):
        held = Held(monkeypatch)
        first = await held.fill(ways[0])
        queued = asyncio.ensure_future(ways[0].decode(np.repeat(ROW, 8, 0)))
        await until(lambda: worker.engine.queues["decoder"]() == 8)
        slugs = await asyncio.gather(*(slug_of(door.decode(ROW)) for door in ways))
        assert slugs == ["queue_full"] * len(ways)
        held.free.set()
        await asyncio.gather(*first, queued)


async def test_a_deadline_passes_everywhere_and_leaves_nothing_queued(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(bundle) as (ways, worker):
        held = Held(monkeypatch)
        first = await held.fill(ways[0])
        asked = [slug_of(door.decode(ROW, deadline_s=0.2)) for door in ways]
        assert await asyncio.gather(*asked) == ["deadline_exceeded"] * len(ways)
        await until(lambda: worker.engine.queues["decoder"]() == 0)
        await until(lambda: worker.engine.admission.in_flight == 2)
        held.free.set()
        await asyncio.gather(*first)
        # None of them was computed.
        sample = worker.telemetry.registry.get_sample_value
        assert sample("latentserve_batch_items_sum", {"graph": "decoder"}) == 2


async def test_a_caller_that_leaves_takes_its_rows_along(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(bundle) as (ways, worker):
        held = Held(monkeypatch)
        first = await held.fill(ways[0])
        asked = [asyncio.ensure_future(door.decode(ROW)) for door in ways]
        await until(lambda: worker.engine.queues["decoder"]() == len(ways))
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await until(lambda: worker.engine.queues["decoder"]() == 0)
        held.free.set()
        await asyncio.gather(*first)
        await until(lambda: worker.engine.admission.in_flight == 0)


async def test_a_graph_that_fails_is_the_servers_fault_everywhere(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(bundle) as (ways, _):

        async def fail(*_: object) -> None:
            raise RuntimeError("a secret path")

        monkeypatch.setattr(OrtGraph, "__call__", fail)
        slugs = await asyncio.gather(*(slug_of(door.decode(ROW)) for door in ways))
        assert slugs == ["inference_failed"] * len(ways)


async def test_readiness_and_drain_are_told_alike(bundle: Path) -> None:
    worker = Runtime(Settings(bundle=bundle, device="cpu", threads=1, grpc_port=0))
    server = GrpcServer(worker)
    await server.start()
    transport = httpx.ASGITransport(app=create_app(worker.settings, runtime=worker))
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        ways = doors(client, channel)

        async def slugs() -> set[str]:
            return set(await asyncio.gather(*(slug_of(door.decode(ROW)) for door in ways)))

        seen = [await slugs()]
        worker.open()
        seen.append(await slugs())
        worker.start()
        await worker.ready()
        seen.append(await slugs())
        worker.drain()
        seen.append(await slugs())
    await server.stop()
    await worker.aclose()
    assert seen == [{"not_ready"}, {"not_ready"}, {"ok"}, {"shutting_down"}]
    assert ERRORS["not_ready"].http_status == ERRORS["shutting_down"].http_status == 503

"""A thousand callers at once over HTTP and gRPC, some of whom leave or have too little time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import numpy as np
import pytest

from tests.support.doors import Door, Refused, doors
from tests.support.server import Server, running
from tests.support.tiny_bundle import banded_image, write_tiny_bundle

if TYPE_CHECKING:
    from numpy.typing import NDArray

CALLERS = 1000
ROUNDS = 2
CLIENTS = 10
ANY: dict[str, Any] = {"timeout": None, "limits": httpx.Limits(max_connections=50)}
"""As patient as the test; httpx searches all its connections for each request."""
LEAVES, HURRIES = 3, 7  # last digit of a caller's number
TOIL = 24
"""Makes the server slower than the callers, so that who leaves leaves it with the work."""
MUCH = 64
"""Latents that who leaves asks for: nobody is answered before there was time to leave."""
MAY_GROW_BYTES = 32 << 20


def levels(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The grey level of each band of the picture of each latent."""
    return np.clip((rows / 4 + 0.5) * 255, 0, 255)


class Caller:
    """One caller with a question of its own, whose answer it knows."""

    def __init__(self, number: int, ways: list[Door]) -> None:
        """Its number decides by which door it comes and what it asks."""
        self.turns = np.random.default_rng(number)
        self.way = ways[self.turns.integers(len(ways))]
        self.kind = self.turns.integers(3)

    async def ask(self, deadline_s: float | None = None) -> None:
        """Ask, and check that the answer is the own one."""
        if self.kind == 0:
            rows = self.turns.uniform(-2, 2, (int(self.turns.integers(1, 4)), 4))
            rows = rows.astype(np.float32)
            found = (await self.way.decode(rows, deadline_s=deadline_s)).array
            assert found[:, ::4, 0, 0] == pytest.approx(levels(rows), abs=0.51)
        elif self.kind == 1:
            greys = self.turns.integers(0, 256, 4).tolist()
            images = banded_image(greys)[None]
            found = (await self.way.encode(images, deadline_s=deadline_s)).array
            assert found[0] == pytest.approx([4 * (grey / 255 - 0.5) for grey in greys], abs=1e-4)
        else:
            grey = int(self.turns.integers(0, 192))
            images = banded_image([grey] * 4)[None]
            strengths = {"glasses": 1.0}
            found = (await self.way.shift(images, strengths, deadline_s=deadline_s)).array
            assert found[0, ::4, 0, 0] == pytest.approx([grey + 63.75, grey, grey, grey], abs=0.6)

    async def ask_much(self) -> None:
        """Ask for what takes the server long."""
        await self.way.decode(np.zeros((MUCH, 4), np.float32))

    async def slug(self, deadline_s: float) -> str:
        """How asking within ``deadline_s`` ends."""
        try:
            await self.ask(deadline_s)
        except Refused as refused:
            return refused.slug
        return "ok"


async def round_of(number: int, ways: list[Door]) -> dict[str, int]:
    """All callers at once; how many ended in which way."""
    turns = np.random.default_rng(number)
    ends = {"answered": 0, "left": 0}
    # Callers leave when so many others have their answers, however fast the machine is, and while
    # most of the work is still to be done.
    milestones = [asyncio.Event() for _ in range(CALLERS * 8 // 10)]

    async def one(index: int) -> None:
        caller = Caller(number * CALLERS + index, ways)
        if index % 10 == LEAVES:
            await caller.ask_much()
        elif index % 10 == HURRIES:
            slug = await caller.slug(deadline_s=float(turns.uniform(0.0005, 0.01)))
            assert slug in {"ok", "deadline_exceeded"}
        else:
            await caller.ask()
            milestones[ends["answered"]].set()
            ends["answered"] += 1

    async def leave(asking: asyncio.Task[None]) -> None:
        await turns.choice(milestones[: CALLERS // 4]).wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        ends["left"] += 1

    # All ask in the order of their numbers, those who will leave as well.
    asking = [asyncio.create_task(one(index)) for index in range(CALLERS)]
    leaving = asking[LEAVES::10]
    staying = (task for task in asking if task not in leaving)
    await asyncio.gather(*staying, *map(leave, leaving))
    return ends


async def settled(client: httpx.AsyncClient) -> str:
    """The metrics, once nothing is queued or in flight."""
    async with asyncio.timeout(20):
        while True:
            text = (await client.get("/metrics")).text
            busy = re.findall(r"(?m)^latentserve_(?:items_in_flight|queue_items\S*) (\S+)", text)
            assert len(busy) == 3
            if not any(map(float, busy)):
                return text
            await asyncio.sleep(0.05)


def resident_bytes(metrics: str) -> int:
    pid = re.search(r'latentserve_worker_info\{pid="(\d+)"\}', metrics)
    assert pid is not None
    pages = Path(f"/proc/{pid[1]}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


async def close_forgotten_connections() -> None:
    """The client's own: httpx forgets a connection whose caller left while it was being opened."""
    for thing in gc.get_objects():
        if issubclass(type(thing), asyncio.Transport) and not thing.is_closing():
            thing.close()
    await asyncio.sleep(0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("many") / "tiny", toil=TOIL)
    # Patience enough for a machine that is busy with other things.
    words = ("--device", "cpu", "--max-queue-size", "10000", "--deadline-ms", "300000")
    with running(bundle, *words) as server:
        yield server


@pytest.mark.timeout(400)
async def test_a_thousand_callers_each_get_their_own_and_leave_nothing(server: Server) -> None:
    # Channels with equal options would share one connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    resident = []
    async with contextlib.AsyncExitStack() as stack:
        ways: list[Door] = []
        for _ in range(CLIENTS):
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=server.url, **ANY))
            channel = grpc.aio.insecure_channel(server.grpc, options=options)
            ways += doors(client, await stack.enter_async_context(channel))
        for number in range(ROUNDS):
            ends = await round_of(number, ways)
            assert ends["answered"] == CALLERS * 8 // 10
            assert ends["left"] == CALLERS // 10
            text = await settled(client)
            resident.append(resident_bytes(text))
    await close_forgotten_connections()
    # The first round fills pools and caches that stay.
    assert resident[-1] - resident[0] < MAY_GROW_BYTES, resident
    batches = re.search(r'latentserve_batch_items_count\{graph="decoder"\} (\S+)', text)
    items = re.search(r'latentserve_batch_items_sum\{graph="decoder"\} (\S+)', text)
    assert batches is not None
    assert items is not None
    assert float(items[1]) > 2 * float(batches[1])
    ends = set(re.findall(r'latentserve_requests_total\{\S*slug="(\w+)",status="(\w+)"', text))
    slugs = {slug for slug, _ in ends}
    assert {"ok", "client_left", "deadline_exceeded"} <= slugs
    # Both protocols saw callers leave.
    assert {("client_left", "499"), ("client_left", "CANCELLED")} <= ends
    # Whoever waited for the server to come up was told that it had not.
    assert slugs <= {"ok", "client_left", "deadline_exceeded", "not_ready"}
    assert server.process.poll() is None

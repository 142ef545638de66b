"""Reading, working and writing at the same time, in order and with little in between.

    shards → reader thread: chunks of items → at most `in_flight` of them at work → in their order
           → writer thread: rows of a shard → its file, kept once the shard's entries are checked

Knows no operation: what is done with a chunk is a function.

1. No more than ``in_flight`` chunks are between the source and the shard's file.
2. Rows are written in the items' order, whichever chunk is done first.
3. A shard is kept only if its items were those of the listing.
4. When anything fails, the shard in the making goes, and those that were kept stay.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from batch.errors import BatchError
from batch.listing import EntryHash
from batch.shard_file import ShardFile
from batch.shards import shard_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from batch.items import Item
    from batch.listing import Listing
    from batch.shards import Plan
    from batch.sources.source import Source
    from batch.work import Done

T = TypeVar("T")
CHUNK_BYTES = 8 << 20
"""A chunk is closed when its compressed images hold so much, however few they are."""


@dataclass(frozen=True)
class Flow:
    """How a pipeline cuts and bounds its work.

    Attributes:
        chunk: Items that are worked on together.
        in_flight: Chunks between source and shard at once.
    """

    chunk: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some items of a shard; without any, the shard's end."""

    shard: int
    items: tuple[Item, ...]


async def run_shards(
    shards: Sequence[int],
    *,
    source: Source,
    plan: Plan,
    listing: Listing,
    flow: Flow,
    work: Callable[[Sequence[Item]], Awaitable[Done]],
    schema: pa.Schema,
    folder: Path,
    files_too: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _failed: None,
) -> None:
    """Do shards and keep them.

    Args:
        shards: Which ones, ascending.
        source: Where their items come from.
        plan: How items are cut into shards.
        listing: What the items were when they were listed.
        flow: Bounds.
        work: Items → rows.
        schema: Of the rows.
        folder: Where shards go.
        files_too: Whether rows name files, which must reach the disk before the shard does. One
            `os.sync` for a shard costs a hundredth of syncing each of its small files.
        progress: Told, on the event loop, how many more items are written and how many failed.

    Raises:
        BatchError: The input changed, a graph failed, or the disk.
    """
    slots = asyncio.Semaphore(flow.in_flight)
    order: asyncio.Queue[tuple[_Chunk, asyncio.Future[Done] | None] | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    tasks = _Tasks()

    async def read(reader: ThreadPoolExecutor) -> None:
        chunks = _chunks(shards, source, plan, listing, flow.chunk)
        while True:
            await slots.acquire()
            chunk = await loop.run_in_executor(reader, next, chunks, None)
            if chunk is None:
                break
            done = tasks.start(work(chunk.items)) if chunk.items else None
            order.put_nowait((chunk, done))
        order.put_nowait(None)

    async def write(writer: ThreadPoolExecutor, opens: ExitStack) -> None:
        shard: ShardFile | None = None
        while (entry := await order.get()) is not None:
            chunk, future = entry
            done = await tasks.take(future) if future else None
            if shard is None:
                target = folder / shard_name(chunk.shard)
                opened = await loop.run_in_executor(writer, ShardFile, target, schema)
                shard = opens.enter_context(opened)
            if done is not None:
                await loop.run_in_executor(writer, shard.add, done.rows)
                progress(len(chunk.items), done.failed)
            else:
                if files_too:
                    await loop.run_in_executor(writer, os.sync)
                await loop.run_in_executor(writer, shard.keep)
                opens.close()
                shard = None
            slots.release()

    with (
        ExitStack() as opens,  # outermost: no thread writes any more when a shard's file goes
        ThreadPoolExecutor(1, thread_name_prefix="reader") as reader,
        ThreadPoolExecutor(1, thread_name_prefix="writer") as writer,
    ):
        try:
            await asyncio.gather(tasks.start(read(reader)), tasks.start(write(writer, opens)))
        finally:
            await tasks.stop()


class _Tasks:
    """Coroutines that run, until their result is taken."""

    def __init__(self) -> None:
        self._running: set[asyncio.Future[Any]] = set()

    def start(self, coroutine: Awaitable[T]) -> asyncio.Future[T]:
        task = asyncio.ensure_future(coroutine)
        self._running.add(task)
        return task

    async def take(self, task: asyncio.Future[Done]) -> Done:
        try:
            return await task
        finally:
            self._running.discard(task)

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _chunks(
    shards: Sequence[int], source: Source, plan: Plan, listing: Listing, size: int
) -> Iterator[_Chunk]:
    """The items of shards in chunks, and an end of each shard once its entries are checked."""
    for shard in shards:
        start, stop = plan.bounds(shard)
        seen = EntryHash()
        waiting: list[Item] = []
        held = 0
        for item in source.items(start, stop):
            seen.add(item.key, item.stamp)
            waiting.append(item)
            held += item.held_bytes
            if len(waiting) == size or held >= CHUNK_BYTES:
                yield _Chunk(shard, tuple(waiting))
                waiting, held = [], 0
        if waiting:
            yield _Chunk(shard, tuple(waiting))
        if seen.digest() != listing.shard_digest(shard):
            raise BatchError(
                f"{source.name} changed while the job ran: items {start} to {stop - 1} are no "
                "longer those of the listing; let it be still, and give the job another --out"
            )
        yield _Chunk(shard, ())

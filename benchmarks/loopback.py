"""A client that costs little: one request of bytes, sent again and again over kept connections.

    request bytes → closed loop | open loop at given arrivals → seconds of each answer
    /metrics → sums by graph, CPU seconds

Knows HTTP/1.1 as far as our server speaks it, and checks that every answer is a good one. A run
ends by itself: its time or its arrivals are given, and none has more than `MAX_REQUESTS`.
"""

from __future__ import annotations

import asyncio
import re
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CONNECTIONS = 16
OPEN_CONNECTIONS = 256
"""As many requests of an open loop may be on their way; more wait for a connection, and that time
is counted."""
MAX_REQUESTS = 20_000
OK = b" 200 "
_GRAPH_SUM = re.compile(r'^latentserve_(\w+)\{graph="(\w+)"\} (\S+)$', re.MULTILINE)
_CPU = re.compile(r"^process_cpu_seconds_total (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """Requests that were all answered well.

    Attributes:
        times_s: Of each request, from its arrival to its answer.
        seconds: Of the whole run.
        client_s: CPU seconds of this client.
        received: Bytes of all answers' bodies.
    """

    times_s: list[float]
    seconds: float
    client_s: float
    received: int


async def closed(host: str, request: bytes, seconds: float) -> Run:
    """`CONNECTIONS` callers, each with one request at a time, without pause."""
    begun = time.perf_counter()
    streams = [await _connect(host) for _ in range(CONNECTIONS)]
    times: list[float] = []
    sizes: list[int] = []

    async def caller(stream: Stream) -> None:
        while time.perf_counter() < begun + seconds and len(times) < MAX_REQUESTS:
            sent = time.perf_counter()
            sizes.append(await _exchange(stream, request))
            times.append(time.perf_counter() - sent)

    return await _timed(streams, [caller(stream) for stream in streams], times, sizes)


async def opened(host: str, request: bytes, arrivals: Sequence[float]) -> Run:
    """One request at each of ``arrivals`` (seconds, ascending), however many are on their way."""
    arrivals = arrivals[:MAX_REQUESTS]
    streams = [await _connect(host) for _ in range(min(OPEN_CONNECTIONS, len(arrivals)))]
    free: asyncio.LifoQueue[Stream] = asyncio.LifoQueue()
    for stream in streams:
        free.put_nowait(stream)
    times: list[float] = []
    sizes: list[int] = []

    async def one(arrived: float) -> None:
        stream = await free.get()
        sizes.append(await _exchange(stream, request))
        times.append(time.perf_counter() - arrived)
        free.put_nowait(stream)

    async def all_of_them() -> None:
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for arrival in arrivals:
                left = begun + arrival - time.perf_counter()
                if left > 0:
                    await asyncio.sleep(left)
                group.create_task(one(time.perf_counter()))

    return await _timed(streams, [all_of_them()], times, sizes)


def metrics(host: str) -> dict[str, float]:
    """``<histogram>_sum:<graph>``, ``…_count:<graph>`` and ``cpu`` (seconds) of the worker."""
    with urllib.request.urlopen(f"{host}/metrics") as answer:  # noqa: S310  (our own server)
        text = answer.read().decode()
    cpu = _CPU.search(text)
    if cpu is None:
        raise RuntimeError(f"{host}/metrics has no process_cpu_seconds_total; run this on Linux")
    sums = {f"{name}:{graph}": float(value) for name, graph, value in _GRAPH_SUM.findall(text)}
    return {**sums, "cpu": float(cpu[1])}


def since(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What was added between two scrapes."""
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


async def _timed(
    streams: list[Stream],
    work: list[Coroutine[None, None, None]],
    times: list[float],
    sizes: list[int],
) -> Run:
    begun, used = time.perf_counter(), time.process_time()
    try:
        await asyncio.gather(*work)
    finally:
        for _, writer in streams:
            writer.close()
    return Run(times, time.perf_counter() - begun, time.process_time() - used, sum(sizes))


async def _connect(host: str) -> Stream:
    parts = urlsplit(host)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def _exchange(stream: Stream, request: bytes) -> int:
    """Send one request; the bytes of its answer's body."""
    reader, writer = stream
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    if OK not in head.partition(b"\r\n")[0]:
        raise RuntimeError(f"the server answered {head[:40]!r} {body[:200]!r}")
    return length

"""The gRPC server in this process, over a bundle, with a channel to it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc

from service.grpc_server import GrpcServer
from service.runtime import Runtime
from service.settings import Settings
from tests.support.doors import slug_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path


@contextlib.asynccontextmanager
async def served_grpc(bundle: Path, **settings: Any) -> AsyncGenerator[tuple[Any, Runtime]]:
    """A channel to a warm server on ``bundle``; closed at the end."""
    options = {"device": "cpu", "threads": 2, "grpc_port": 0, **settings}
    runtime = Runtime(Settings(bundle=bundle, **options))
    runtime.open()
    runtime.start()
    await runtime.ready()
    server = GrpcServer(runtime)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield channel, runtime
    finally:
        runtime.drain()
        await server.stop()
        await runtime.aclose()


async def slug_of(call: Any) -> str:
    """The slug that a call fails with, once its status is that of the table."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return slug_in(error)
    return "ok"


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another task or thread brings about."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  (nobody could set an event)
            await asyncio.sleep(0.002)

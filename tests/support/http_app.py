"""The data plane in this process, over a tiny bundle, behind an httpx client without a network."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import httpx

from service.app import create_app
from service.runtime import Runtime
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@contextlib.asynccontextmanager
async def served(
    bundle: Path, **settings: Any
) -> AsyncGenerator[tuple[httpx.AsyncClient, Runtime]]:
    """A client of a warm application on ``bundle``; closed at the end."""
    runtime = Runtime(Settings(bundle=bundle, device="cpu", threads=2, **settings))
    runtime.open()
    runtime.start()
    await runtime.ready()
    app = create_app(runtime.settings, runtime=runtime)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        try:
            yield client, runtime
        finally:
            await runtime.aclose()

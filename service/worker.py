"""A worker's life: its one runtime behind every door, and gRPC beside HTTP.

runtime opened → gRPC opened, warm-up → ready, announced → drained, closed

Knows nothing of BentoML, which calls it, but for `service.hosting`.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from typing import TYPE_CHECKING

from service import access_log
from service.announcement import announce
from service.app import create_app
from service.grpc_server import GrpcServer
from service.guest import Hosted
from service.hosting import end_server
from service.process import log_to_stderr, settle
from service.runtime import Runtime
from service.settings import Settings
from service.typed import TypedEndpoints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp

logger = logging.getLogger("latentserve")


@cache
def this_runtime() -> Runtime:
    """The one runtime of this process."""
    log_to_stderr(logger, "%(asctime)s %(levelname)s %(message)s")
    log_to_stderr(access_log.logger, "%(message)s")
    return Runtime(Settings(), end=end_server)


def data_plane(hosted: ASGIApp, methods: Mapping[str, str]) -> ASGIApp:
    """The data plane on this process's runtime, in front of an application and its paths."""
    runtime = this_runtime()
    return create_app(runtime.settings, runtime=runtime, hosted=Hosted(hosted, methods))


class Worker:
    """What begins and ends with this process.

    Attributes:
        runtime: Of this process.
        typed: What BentoML's typed endpoints do.
    """

    def __init__(self) -> None:
        """Open the bundle and the engine.

        Raises:
            BundleError: As `service.runtime.Runtime.open`, and what else that raises.
        """
        self.runtime = this_runtime()
        self.runtime.open()
        self.typed = TypedEndpoints(self.runtime)
        self._grpc = GrpcServer(self.runtime)

    async def start(self) -> None:
        """Begin the warm-up, which readiness follows, and open gRPC.

        One of several workers opens its ports once it is warm: until then the others answer
        whoever comes, and nobody who was told that the server is ready meets one that is not.
        """
        self.runtime.drain_at_signal()
        self.runtime.start()
        if self.runtime.settings.workers > 1:
            await self.runtime.ready()
        await self._grpc.start()
        self._announcing = asyncio.create_task(self._announce(), name="announce")
        settle()

    async def close(self) -> None:
        """Close gRPC, wait for what runs, and close the sessions."""
        await self._grpc.stop()
        await self.runtime.aclose()

    async def _announce(self) -> None:
        """Say that the server is ready, once both its ports are open and it is."""
        await self.runtime.ready()
        if self.runtime.state == "ready":
            try:
                announce(self.runtime.engine)
            except OSError:
                logger.critical(
                    "nobody can be told that the server is ready, so it ends", exc_info=True
                )
                end_server()

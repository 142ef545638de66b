"""A worker's life: its one runtime behind every door, and gRPC beside HTTP.

runtime opened → gRPC opened, warm-up → ready, announced → drained, closed

Knows nothing of BentoML, which calls it, but for `service.hosting`.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cache

from service import access_log
from service.announcement import announce
from service.grpc_server import GrpcServer
from service.hosting import end_server
from service.process import settle
from service.runtime import Runtime
from service.settings import Settings

logger = logging.getLogger("latentserve")


@cache
def this_runtime() -> Runtime:
    """The one runtime of this process."""
    _log_to_stderr()
    access_log.to_stderr()
    return Runtime(Settings(), end=end_server)


class Worker:
    """What begins and ends with this process.

    Attributes:
        runtime: Of this process.
    """

    def __init__(self) -> None:
        """Open the bundle and the engine.

        Raises:
            BundleError: As `service.runtime.Runtime.open`, and what else that raises.
        """
        self.runtime = this_runtime()
        self.runtime.open()
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


def _log_to_stderr() -> None:
    """Our log lines on standard error, whatever BentoML does with its own."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False

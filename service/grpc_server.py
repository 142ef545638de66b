"""The gRPC side of a worker: health that follows readiness, and server reflection.

runtime: warming up → NOT_SERVING, ready → SERVING, draining → NOT_SERVING until it is closed

Knows the runtime's states and no model. Several workers share one port (SO_REUSEPORT).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

if TYPE_CHECKING:
    from service.runtime import Runtime

_HEALTH_NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_GRACE_S = 0.5
"""For answers that are on their way once nothing is computed any more."""
_STATUS = health_pb2.HealthCheckResponse


class GrpcServer:
    """One worker's gRPC server.

    Attributes:
        port: The TCP port that it listens on; 0 before `start`.
    """

    def __init__(self, runtime: Runtime) -> None:
        """Nothing listens yet."""
        self.port = 0
        self._runtime = runtime
        self._health = health.aio.HealthServicer()
        self._server: Any = None
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; health is NOT_SERVING until the runtime is ready.

        Raises:
            RuntimeError: The port cannot be had.
        """
        settings = self._runtime.settings
        shared = int(settings.workers > 1)
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", shared),
                ("grpc.max_receive_message_length", settings.max_body_bytes),
            ]
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((_HEALTH_NAME, reflection.SERVICE_NAME), self._server)
        await self._health.set("", _STATUS.NOT_SERVING)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.port = self._server.add_insecure_port(f"{host}:{settings.grpc_port}")
        await self._server.start()
        self._following = asyncio.create_task(self._follow(), name="grpc-health")

    async def stop(self) -> None:
        """Close the server once the engine is empty, within the drain time.

        Calls are not waited for, since a health watch never ends by itself.
        """
        if self._server is None:
            return
        if self._following is not None:
            self._following.cancel()
        await self._health.enter_graceful_shutdown()
        await self._runtime.drained()
        await self._server.stop(_GRACE_S)

    async def _follow(self) -> None:
        await self._runtime.ready()
        if self._runtime.state == "ready":
            await self._health.set("", _STATUS.SERVING)
        await self._runtime.draining.wait()
        await self._health.enter_graceful_shutdown()

"""The gRPC side of a worker: our two services, health that follows readiness, server reflection.

port → gate → `latentserve.v1.Latents`, `inference.GRPCInferenceService` → the worker's engine
runtime: warming up → NOT_SERVING, ready → SERVING, draining → NOT_SERVING until it is closed

Knows the runtime's states and which services there are; it lives in the worker's own process and
event loop, so both protocols share batches. Several workers share one port (SO_REUSEPORT).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from service import grpc_latents
from service.grpc_access import Guard
from service.grpc_gate import Gate
from service.grpc_latents import LatentsService
from service.oip import servicer
from service.oip.servicer import OpenInference
from service.tls import listen

if TYPE_CHECKING:
    from service.runtime import Runtime

_SERVICES = (
    grpc_latents.SERVICE,
    servicer.SERVICE,
    health_pb2.DESCRIPTOR.services_by_name["Health"],
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
)
_NAMES = tuple(service.full_name for service in _SERVICES)
_FOLLOWED = ("", grpc_latents.SERVICE.full_name, servicer.SERVICE.full_name)
"""What health is asked about: the server, or one of our services."""
_UNREAD_FACTOR = 2
"""gRPC itself refuses a message only well beyond `max_body_bytes`, since its status for that is
the one for "try again later", and has no slug."""
_IDENTITY_ONLY = 1
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
            TlsError: The certificate's files cannot be read.
        """
        settings = self._runtime.settings
        shared = int(settings.workers > 1)
        gate = Gate(self._runtime)
        access = self._runtime.access
        self._server = grpc.aio.server(
            # Without keys there is nothing to ask, and a call goes straight to its method.
            interceptors=[Guard(access, gate.refused)] if access.asks else [],
            options=[
                ("grpc.so_reuseport", shared),
                ("grpc.max_receive_message_length", _UNREAD_FACTOR * settings.max_body_bytes),
                # A compressed message could be a thousand times as large once it is read.
                ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ONLY),
            ],
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(_NAMES, self._server, pool=_described())
        self._server.add_generic_rpc_handlers(
            (
                gate.handlers(grpc_latents.SERVICE, LatentsService(self._runtime).methods()),
                gate.handlers(servicer.SERVICE, OpenInference(self._runtime).methods()),
                gate.unknown(),
            )
        )
        await self._set_health(_STATUS.NOT_SERVING)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.port = listen(self._server, f"{host}:{settings.grpc_port}", settings)
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
            await self._set_health(_STATUS.SERVING)
        await self._runtime.draining.wait()
        await self._health.enter_graceful_shutdown()

    async def _set_health(self, status: int) -> None:
        for name in _FOLLOWED:
            await self._health.set(name, status)


def _described() -> DescriptorPool:
    """All services in one pool; the messages of the Open Inference Protocol live in their own."""
    pool = DescriptorPool()
    for service in _SERVICES:
        pool.AddSerializedFile(service.file.serialized_pb)
    return pool

"""gRPC health follows the runtime from its start to its drain; reflection tells what there is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from service.grpc_server import GrpcServer
from service.runtime import Runtime
from service.settings import Settings
from tests.support.grpc_app import served_grpc
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.timeout(20)
async def test_health_follows_readiness_and_drain(tmp_path: Path) -> None:
    settings = Settings(bundle=write_tiny_bundle(tmp_path / "tiny"), device="cpu", grpc_port=0)
    runtime = Runtime(settings)
    runtime.open()
    server = GrpcServer(runtime)
    await server.start()
    assert server.port > 0
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        seen = [(await watched.read()).status]
        runtime.start()
        await runtime.ready()
        while seen[-1] != SERVING:
            seen.append((await watched.read()).status)
        runtime.drain()
        seen.append((await watched.read()).status)
        watched.cancel()
    await server.stop()
    await runtime.aclose()
    assert seen == [NOT_SERVING, SERVING, NOT_SERVING]


async def test_each_service_has_its_health(tmp_path: Path) -> None:
    async with served_grpc(write_tiny_bundle(tmp_path / "tiny")) as (channel, runtime):
        stub = health_pb2_grpc.HealthStub(channel)
        names = ("", "latentserve.v1.Latents", "inference.GRPCInferenceService")

        async def statuses() -> list[int]:
            return [
                (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status
                for name in names
            ]

        watched = stub.Watch(health_pb2.HealthCheckRequest(service=names[-1]))
        while (await watched.read()).status != SERVING:
            pass
        assert await statuses() == [SERVING] * 3
        runtime.drain()
        while (await watched.read()).status != NOT_SERVING:
            pass
        assert await statuses() == [NOT_SERVING] * 3


async def test_reflection_describes_all_services(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    async with served_grpc(bundle) as (channel, _):
        address = channel._channel.target.decode()

        def look() -> tuple[set[str], set[str]]:
            with grpc.insecure_channel(address) as own:
                database = ProtoReflectionDescriptorDatabase(own)
                pool = DescriptorPool(database)
                services = set(database.get_services())
                methods = {
                    f"{name}/{method.name}"
                    for name in ("latentserve.v1.Latents", "inference.GRPCInferenceService")
                    for method in pool.FindServiceByName(name).methods
                }
                return services, methods

        services, methods = await asyncio.to_thread(look)
    assert services == {
        "latentserve.v1.Latents",
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert {"latentserve.v1.Latents/ShiftStream", "inference.GRPCInferenceService/ModelInfer"} <= (
        methods
    )


async def test_a_server_that_never_started_can_be_stopped() -> None:
    await GrpcServer(Runtime(Settings())).stop()


async def test_a_health_watch_does_not_hold_up_the_end(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    runtime = Runtime(Settings(bundle=bundle, grpc_port=0, device="cpu", threads=1))
    runtime.open()
    server = GrpcServer(runtime)
    runtime.start()
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        await asyncio.wait_for(server.stop(), runtime.settings.shutdown_timeout_s / 3)
    await runtime.aclose()

"""What /metrics says, against its description, and under clients that send odd things."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from inference.errors import ERRORS
from service import grpc_latents
from service.app import create_app
from service.oip import servicer
from service.proto.latentserve.v1.latents_pb2 import DecodeRequest, Matrix
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from service.proto.oip.open_inference_pb2 import ModelInferRequest
from service.proto.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from service.routes import ROUTES, V2_ROUTES
from service.telemetry import UNKNOWN_ROUTE
from tests.support.grpc_app import served_grpc
from tests.support.http_app import png
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from prometheus_client import Metric

    from service.runtime import Runtime

PAGE = Path(__file__).resolve().parents[2] / "docs" / "observability.md"
ASKED = DecodeRequest(latents=Matrix(rows=1, columns=4, values=[0.0] * 4))
KNOWN_ROUTES = {route.path for route in (*ROUTES, *V2_ROUTES)} | {UNKNOWN_ROUTE}
KNOWN_ROUTES |= {
    f"/{service.full_name}/{method.name}"
    for service in (grpc_latents.SERVICE, servicer.SERVICE)
    for method in service.methods
}
KNOWN: dict[str, set[str]] = {
    "route": KNOWN_ROUTES,
    "slug": {"ok", "client_left", *ERRORS},
    "graph": {"encoder", "decoder"},
    "stage": {"decode", "encode"},
    "reason": set(ERRORS),
}
"""All values of the labels that requests could reach."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@contextlib.asynccontextmanager
async def served(bundle: Path) -> AsyncGenerator[tuple[httpx.AsyncClient, Any, Runtime]]:
    async with served_grpc(bundle) as (channel, runtime):
        transport = httpx.ASGITransport(app=create_app(runtime.settings, runtime=runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client, channel, runtime


async def metrics(client: httpx.AsyncClient) -> dict[str, Metric]:
    """Our families by name."""
    text = (await client.get("/metrics")).text
    families = text_string_to_metric_families(text)
    return {family.name: family for family in families if family.name.startswith("latentserve_")}


def series(found: dict[str, Metric]) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in found.values()
        for sample in family.samples
    }


def labels_of(family: Metric) -> list[str]:
    names = (name for sample in family.samples for name in sample.labels if name != "le")
    return list(dict.fromkeys(names))


async def test_the_page_describes_exactly_what_is_there(bundle: Path) -> None:
    async with served(bundle) as (client, channel, runtime):
        # Counted only where keys are asked for.
        runtime.telemetry.observe_caller("shop", "ok")
        await client.post("/v1/reconstruct", files={"image": png()})
        await LatentsStub(channel).Decode(ASKED)
        found = await metrics(client)
    there = {
        (
            family.name + ("_total" if family.type == "counter" else ""),
            family.type,
            ", ".join(f"`{label}`" for label in labels_of(family)) or "–",
            family.documentation,
        )
        for family in found.values()
    }
    rows = re.findall(
        r"^\| `(latentserve_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$",
        PAGE.read_text("utf-8"),
        re.MULTILINE,
    )
    assert set(rows) == there
    assert len(rows) == len(there)


async def test_every_metric_has_a_value_after_one_request_of_each_protocol(bundle: Path) -> None:
    async with served(bundle) as (client, channel, _):
        await client.post("/v1/reconstruct", files={"image": png()})
        await LatentsStub(channel).Decode(ASKED)
        found = await metrics(client)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in found.values()
        for sample in family.samples
    }
    grpc_route = "/latentserve.v1.Latents/Decode"
    assert samples["latentserve_requests_total", "/v1/reconstruct", "ok", "200"] == 1
    assert samples["latentserve_requests_total", grpc_route, "ok", "OK"] == 1
    assert samples["latentserve_items_total", "/v1/reconstruct"] == 1
    assert samples["latentserve_items_total", grpc_route] == 1
    for name in ("batch_items", "queue_wait_seconds", "compute_seconds"):
        assert samples[f"latentserve_{name}_count", "encoder"] == 1
        assert samples[f"latentserve_{name}_count", "decoder"] == 2
    for stage in ("decode", "encode"):
        assert samples["latentserve_codec_seconds_count", stage] >= 1
        assert samples["latentserve_codec_seconds_sum", stage] > 0
    assert samples["latentserve_queue_items", "decoder"] == 0
    assert (samples[("latentserve_items_in_flight",)], samples[("latentserve_codec_jobs",)]) == (
        0,
        0,
    )


async def odd_requests(client: httpx.AsyncClient, channel: Any, wave: int) -> None:
    """Requests whose every word differs from wave to wave."""
    stub = GRPCInferenceServiceStub(channel)

    async def http(index: int) -> None:
        word = f"odd-{wave}-{index}"
        headers = {"X-Request-ID": word, "User-Agent": word, "Accept": f"image/{word}"}
        await client.get(f"/{word}", headers=headers)
        await client.get(f"/v1/{word}", params={word: word}, headers=headers)
        await client.request(word.upper(), "/v1/decode", headers=headers)
        await client.request(word.upper(), f"/v1/{word}", headers=headers)
        await client.get(f"/v2/models/{word}", headers=headers)
        await client.get(f"/v2/models/decoder/versions/{word}/ready", headers=headers)
        await client.post(f"/v2/models/{word}/infer", content=b"{}", headers=headers)
        await client.post(f"/v2/{word}", content=b"{}", headers=headers)
        body = {"attributes": {word: 1}, "latents": [[0, 0, 0, 0]]}
        await client.post("/v1/shift", json=body, headers=headers)

    async def over_grpc(index: int) -> None:
        word = f"odd-{wave}-{index}"
        metadata = (("x-request-id", word), (word, word))
        calls = [
            channel.unary_unary(f"/{word}/{word}")(b"", metadata=metadata),
            channel.unary_unary(f"/latentserve.v1.Latents/{word}")(b"", metadata=metadata),
            stub.ModelInfer(ModelInferRequest(model_name=word, model_version=word)),
        ]
        for call in calls:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await call

    await asyncio.gather(*(way(index) for index in range(20) for way in (http, over_grpc)))


async def test_no_client_makes_a_series_of_its_own(bundle: Path) -> None:
    async with served(bundle) as (client, channel, _):
        await odd_requests(client, channel, 0)
        before = await metrics(client)
        await odd_requests(client, channel, 1)
        after = await metrics(client)
    assert series(after) - series(before) <= {
        # The scrape itself.
        *((name, labels) for name, labels in series(after) if ("route", "/metrics") in labels),
    }
    assert "odd" not in str(series(after)).lower()
    for family in after.values():
        for sample in family.samples:
            for label, known in KNOWN.items():
                assert label not in sample.labels or sample.labels[label] in known, sample
    assert any(("route", UNKNOWN_ROUTE) in labels for _, labels in series(after))


async def test_a_refusal_counts_at_the_route_that_refused(bundle: Path) -> None:
    async with served(bundle) as (client, _, _):
        await client.get("/v1/decode")
        await client.request("BREW", "/v2/models/decoder/infer")
        await client.get("/v1/decodes")
        found = series(await metrics(client))
    refused = {
        (dict(labels)["route"], dict(labels)["slug"])
        for name, labels in found
        if name == "latentserve_requests_total"
    }
    assert {
        ("/v1/decode", "method_not_allowed"),
        ("/v2/models/{model}/infer", "method_not_allowed"),
        (UNKNOWN_ROUTE, "route_not_found"),
    } <= refused

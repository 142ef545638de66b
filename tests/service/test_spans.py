"""Spans by every door: the caller's trace goes on, children lie within it, batches link to it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import numpy as np
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service.app import create_app
from service.proto.latentserve.v1.latents_pb2 import DecodeRequest, Matrix
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from service.spans import Spans
from tests.support.doors import doors
from tests.support.grpc_app import served_grpc, until
from tests.support.http_app import png
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from service.runtime import Runtime

ROWS = np.zeros((2, 4), np.float32)
BODY = {"latents": ROWS.tolist()}
ASKED = DecodeRequest(latents=Matrix(rows=2, columns=4, values=[0.0] * 8))
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{TRACE}-{PARENT}-00"


class Traced:
    """A worker with all its doors, whose spans are kept."""

    def __init__(self, client: httpx.AsyncClient, channel: Any, runtime: Runtime) -> None:
        """Keep from now on."""
        self.client, self.channel, self.runtime = client, channel, runtime
        self._kept = InMemorySpanExporter()
        runtime.observer.tracing = Spans([SimpleSpanProcessor(self._kept)])

    def spans(self) -> dict[str, list[ReadableSpan]]:
        """Finished spans by name since the last look."""
        found: dict[str, list[ReadableSpan]] = {}
        for span in self._kept.get_finished_spans():
            found.setdefault(span.name, []).append(span)
        self._kept.clear()
        return found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@contextlib.asynccontextmanager
async def traced(bundle: Path, **settings: Any) -> AsyncGenerator[Traced]:
    async with served_grpc(bundle, **{"threads": 1, **settings}) as (channel, runtime):
        transport = httpx.ASGITransport(app=create_app(runtime.settings, runtime=runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Traced(client, channel, runtime)


def context(span: ReadableSpan) -> Any:
    found = span.get_span_context()
    assert found is not None
    return found


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


async def test_a_request_over_http_goes_on_with_the_callers_trace(bundle: Path) -> None:
    async with traced(bundle) as worker:
        answer = await worker.client.post(
            "/v1/shift",
            files={"image": png()},
            data={"attributes": '{"smile": 1}'},
            headers={"traceparent": SAMPLED, "X-Request-ID": "order-81"},
        )
        spans = worker.spans()
    assert answer.status_code == 200
    (request,) = spans.pop("POST /v1/shift")
    batches = [*spans.pop("batch encoder"), *spans.pop("batch decoder")]
    assert request.kind == SpanKind.SERVER
    assert f"{context(request).trace_id:032x}" == TRACE
    assert f"{parent_of(request):016x}" == PARENT
    facts = dict(request.attributes or {})
    assert facts["http.route"] == "/v1/shift"
    assert facts["http.response.status_code"] == 200
    assert facts["latentserve.slug"] == "ok"
    assert facts["latentserve.items"] == 1
    assert facts["latentserve.request_id"] == "order-81"
    assert facts["latentserve.decode_ms"] > 0
    assert facts["latentserve.encode_ms"] > 0
    assert {name: len(found) for name, found in spans.items()} == {
        "queue encoder": 1,
        "compute encoder": 1,
        "queue decoder": 1,
        "compute decoder": 1,
    }
    for (child,) in spans.values():
        assert parent_of(child) == context(request).span_id
        assert request.start_time is not None
        assert child.start_time is not None
        assert child.end_time is not None
        assert request.start_time <= child.start_time + 1_000_000
        assert child.start_time <= child.end_time
    order = [spans[name][0].start_time or 0 for name in spans]
    assert sorted(order) == order
    for batch in batches:
        assert batch.parent is None
        assert context(batch).trace_id != context(request).trace_id
        assert [link.context.span_id for link in batch.links] == [context(request).span_id]
    (compute,) = spans["compute decoder"]
    assert [link.context.span_id for link in compute.links] == [context(batches[1]).span_id]


async def test_a_batch_links_to_the_requests_of_every_door(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(bundle) as worker:
        free = asyncio.Event()
        graph = worker.runtime.engine._graphs.sessions["decoder"]
        run = type(graph).__call__

        async def wait(graph: Any, batch: Any) -> Any:
            await free.wait()
            return await run(graph, batch)

        monkeypatch.setattr(type(graph), "__call__", wait)
        ways = doors(worker.client, worker.channel)
        # One for the thread, one for the place of the batch that comes after.
        asked = [asyncio.ensure_future(ways[0].decode(ROWS))]
        await until(lambda: worker.runtime.engine.admission.in_flight == 2)
        asked += [asyncio.ensure_future(ways[0].decode(ROWS))]
        await until(lambda: worker.runtime.engine.admission.in_flight == 4)
        asked += [asyncio.ensure_future(way.decode(ROWS)) for way in ways]
        await until(lambda: worker.runtime.engine.queues["decoder"]() == 2 * len(ways))
        free.set()
        await asyncio.gather(*asked)
        spans = worker.spans()
    first, second, third = spans["batch decoder"]
    assert [len(batch.links) for batch in (first, second, third)] == [1, 1, len(ways)]
    assert dict(third.attributes or {}) == {
        "latentserve.graph": "decoder",
        "latentserve.batch_size": 2 * len(ways),
        "latentserve.requests": len(ways),
    }
    requests = [
        *spans["POST /v1/decode"],
        *spans["POST /v2/models/{model}/infer"],
        *spans["latentserve.v1.Latents/Decode"],
        *spans["inference.GRPCInferenceService/ModelInfer"],
    ]
    linked = {link.context.span_id for link in (*first.links, *second.links, *third.links)}
    assert linked == {context(span).span_id for span in requests}
    protocols = {dict(span.attributes or {})["latentserve.protocol"] for span in requests}
    assert protocols == {"http", "oip-http", "grpc", "oip-grpc"}


async def test_a_call_over_grpc_goes_on_with_the_callers_trace(bundle: Path) -> None:
    metadata = (("traceparent", SAMPLED), ("tracestate", "shop=1"))
    async with traced(bundle) as worker:
        stub = LatentsStub(worker.channel)
        await stub.Decode(ASKED, metadata=metadata)
        (unary,) = worker.spans()["latentserve.v1.Latents/Decode"]
        answers = stub.DecodeStream(iter([ASKED, ASKED]), metadata=metadata)
        assert len([answer async for answer in answers]) == 2
        streamed = worker.spans()["latentserve.v1.Latents/DecodeStream"]
    assert len(streamed) == 2
    for span in (unary, *streamed):
        assert f"{context(span).trace_id:032x}" == TRACE
        assert f"{parent_of(span):016x}" == PARENT
        assert context(span).trace_state["shop"] == "1"
    facts = dict(unary.attributes or {})
    assert facts["rpc.system"] == "grpc"
    assert facts["rpc.service"] == "latentserve.v1.Latents"
    assert facts["rpc.method"] == "Decode"
    assert facts["rpc.grpc.status_code"] == 0


async def test_a_failure_has_its_slug_and_only_a_server_fault_is_an_error(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(bundle) as worker:
        stub = LatentsStub(worker.channel)
        wrong = DecodeRequest(latents=Matrix(rows=1, columns=1, values=[0.0]))
        await worker.client.post("/v1/decode", json={"latents": [[1]]})
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Decode(wrong)
        refused = worker.spans()

        async def fail(*_: object) -> None:
            raise RuntimeError("a secret path")

        graph = worker.runtime.engine._graphs.sessions["decoder"]
        monkeypatch.setattr(type(graph), "__call__", fail)
        await worker.client.post("/v1/decode", json=BODY)
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Decode(ASKED)
        failed = worker.spans()
    for name in ("POST /v1/decode", "latentserve.v1.Latents/Decode"):
        (span,) = refused[name]
        assert dict(span.attributes or {})["error.type"] == "shape_mismatch"
        assert span.status.status_code == StatusCode.UNSET
        (span,) = failed[name]
        assert dict(span.attributes or {})["error.type"] == "inference_failed"
        assert span.status.status_code == StatusCode.ERROR
    assert {span.status.status_code for span in failed["batch decoder"]} == {StatusCode.ERROR}
    assert "secret" not in str([span.to_json() for found in failed.values() for span in found])


async def test_an_unknown_path_is_one_name(bundle: Path) -> None:
    async with traced(bundle) as worker:
        await worker.client.get("/odd/1")
        await worker.client.request("BREW", "/odd/2")
        assert set(worker.spans()) == {"GET unknown", "_OTHER unknown"}


async def test_what_a_caller_does_not_sample_leaves_no_span_of_any_kind(bundle: Path) -> None:
    async with traced(bundle) as worker:
        headers = {"traceparent": UNSAMPLED}
        answer = await worker.client.post(
            "/v1/reconstruct", files={"image": png()}, headers=headers
        )
        assert answer.status_code == 200
        await LatentsStub(worker.channel).Decode(ASKED, metadata=(("traceparent", UNSAMPLED),))
        assert worker.spans() == {}


async def test_probes_and_scrapes_are_not_traced(bundle: Path) -> None:
    async with traced(bundle) as worker:
        for path in ("/livez", "/readyz", "/metrics", "/v2/health/ready"):
            assert (await worker.client.get(path)).status_code == 200
        assert worker.spans() == {}


@pytest.mark.parametrize(
    "sent", ["", "00-zz-1-01", "é" * 10, "00-" + "0" * 32 + "-" + "0" * 16 + "-01"]
)
async def test_a_broken_parent_begins_a_trace_of_its_own(bundle: Path, sent: str) -> None:
    async with traced(bundle) as worker:
        headers = {"traceparent": sent.encode("utf-8")}
        answer = await worker.client.post("/v1/decode", json=BODY, headers=headers)
        (request,) = worker.spans()["POST /v1/decode"]
    assert answer.status_code == 200
    assert request.parent is None
    assert context(request).is_valid

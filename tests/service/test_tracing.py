"""Whether there are traces at all: by the environment's words, at no cost without them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from service.app import create_app
from service.runtime import Runtime
from service.settings import Settings
from service.tracing import exporters, open_tracing
from tests.support.otlp_receiver import receiving
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, ()),
        ({"OTEL_SERVICE_NAME": "shop"}, ()),
        (ENDPOINT, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, ("otlp_proto_http",)),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ("otlp_proto_http",)),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, ()),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, ()),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": " "}, ("otlp_proto_http",)),
        ({"OTEL_TRACES_EXPORTER": "console, otlp,console"}, ("console", "otlp_proto_http")),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ("otlp_proto_grpc",)),
        (
            {
                **ENDPOINT,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            ("otlp_proto_http",),
        ),
    ],
)
def test_the_exporters_that_are_asked_for(
    environment: dict[str, str], names: tuple[str, ...]
) -> None:
    assert exporters(environment) == names


@pytest.mark.parametrize("name", ["papyrus", "otlp"])
def test_an_exporter_that_cannot_be_had_is_told_and_serving_goes_on(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {"OTEL_TRACES_EXPORTER": name, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}
    assert open_tracing(environment) is None
    (record,) = caplog.records
    assert name in record.message
    assert "latentserve[tracing]" in record.message


def test_without_an_exporter_nothing_of_opentelemetry_is_imported(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    code = (
        "import asyncio, sys\n"
        "from service.app import create_app\n"
        "from service.grpc_server import GrpcServer\n"
        "from service.runtime import Runtime\n"
        "from service.settings import Settings\n"
        "async def main():\n"
        f"    runtime = Runtime(Settings(bundle={str(bundle)!r}, device='cpu', threads=1))\n"
        "    runtime.open()\n"
        "    runtime.start()\n"
        "    await runtime.ready()\n"
        "    await runtime.aclose()\n"
        "asyncio.run(main())\n"
        "heavy = ('opentelemetry', 'service.spans')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


async def test_spans_reach_a_collector_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "shop-latents")
        runtime = Runtime(Settings(bundle=bundle, device="cpu", threads=1))
        runtime.open()
        runtime.start()
        await runtime.ready()
        transport = httpx.ASGITransport(app=create_app(runtime.settings, runtime=runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            headers = {"traceparent": PARENT}
            await client.post("/v1/sample", json={"n": 3}, headers=headers)
        await runtime.aclose()
    assert receiver.paths == ["/v1/traces"]
    assert receiver.services == {"shop-latents"}
    (request,) = (span for span in receiver.spans if span.name == "POST /v1/sample")
    assert request.trace_id.hex() == PARENT.split("-")[1]
    assert request.parent_span_id.hex() == PARENT.split("-")[2]
    (batch,) = (span for span in receiver.spans if span.name == "batch decoder")
    assert [link.span_id for link in batch.links] == [request.span_id]
    assert {span.name for span in receiver.spans} == {
        "POST /v1/sample",
        "batch decoder",
        "queue decoder",
        "compute decoder",
    }


async def test_a_collector_that_is_gone_holds_up_nothing_but_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    monkeypatch.setattr("service.spans._FLUSH_S", 0.2)
    runtime = Runtime(Settings(bundle=bundle, device="cpu", threads=1))
    runtime.open()
    runtime.start()
    await runtime.ready()
    transport = httpx.ASGITransport(app=create_app(runtime.settings, runtime=runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/v1/sample", json={"n": 3})
    await runtime.aclose()
    assert answer.status_code == 200
    assert any("last traces could not be sent" in record.message for record in caplog.records)

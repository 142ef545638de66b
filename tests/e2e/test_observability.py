"""A real server's log lines and traces, from its first request to what it sends as it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import bentoml
import grpc
import httpx

from service.proto.latentserve.v1.latents_pb2 import SampleRequest
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from tests.support.otlp_receiver import receiving
from tests.support.server import running
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_server_logs_and_traces_every_protocol(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    with receiving() as receiver:
        # Nothing is sent before the server ends.
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        }
        words = ("--device", "cpu", "--access-log")
        with running(bundle, *words, environment=environment) as server:
            headers = {"traceparent": PARENT, "X-Request-ID": "over-http"}
            httpx.post(f"{server.url}/v1/sample", json={"n": 2}, headers=headers, timeout=20)
            with grpc.insecure_channel(server.grpc) as channel:
                metadata = (("traceparent", PARENT), ("x-request-id", "over-grpc"))
                LatentsStub(channel).Sample(SampleRequest(n=3), metadata=metadata, timeout=20)
            with bentoml.SyncHTTPClient(server.url) as client, client._temp_dir:
                client.sample(n=4)
            assert receiver.spans == []
            code, printed = server.stop()
    assert code == 0, printed
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    by_route = {line["route"]: line for line in lines}
    http = by_route["/v1/sample"]
    assert (http["request_id"], http["items"], http["protocol"]) == ("over-http", 2, "http")
    over_grpc = by_route["/latentserve.v1.Latents/Sample"]
    assert (over_grpc["request_id"], over_grpc["items"]) == ("over-grpc", 3)
    assert (by_route["/sample"]["slug"], by_route["/sample"]["items"]) == ("ok", 4)
    assert http["trace_id"] == over_grpc["trace_id"] == TRACE

    assert receiver.services == {"latentserve"}
    requests = {span.name: span for span in receiver.spans if span.name in {
        "POST /v1/sample", "latentserve.v1.Latents/Sample", "POST /sample",
    }}  # fmt: skip
    assert len(requests) == 3
    linked = {
        link.span_id
        for span in receiver.spans
        if span.name == "batch decoder"
        for link in span.links
    }
    assert linked == {span.span_id for span in requests.values()}

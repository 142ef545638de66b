"""The access log: one line a request by every door, with the answer's own id, and no injection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.call import Call
from service import access_log
from service.app import create_app
from service.finished import Finished, http_method
from service.proto.latentserve.v1.latents_pb2 import DecodeRequest, Matrix
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from service.proto.oip.open_inference_pb2 import ModelInferRequest
from service.proto.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from tests.support.doors import doors
from tests.support.grpc_app import served_grpc
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

ROWS = np.zeros((2, 4), np.float32)
ASKED = DecodeRequest(latents=Matrix(rows=2, columns=4, values=[0.0] * 8))
NOW = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@contextlib.asynccontextmanager
async def served(bundle: Path, **settings: Any) -> AsyncGenerator[tuple[httpx.AsyncClient, Any]]:
    async with served_grpc(bundle, **{"access_log": True, **settings}) as (channel, runtime):
        transport = httpx.ASGITransport(app=create_app(runtime.settings, runtime=runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client, channel


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What was logged since the last look."""
    texts = [
        record.getMessage() for record in caplog.records if record.name == "latentserve.access"
    ]
    caplog.clear()
    assert all(text.isascii() and len(text.splitlines()) == 1 for text in texts)
    return [json.loads(text) for text in texts]


async def test_every_door_has_its_line(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "latentserve.access")
    async with served(bundle) as (client, channel):
        for door in doors(client, channel):
            await door.decode(ROWS)
        seen = lines(caplog)
        with contextlib.suppress(Exception):
            await doors(client, channel)[0].decode(ROWS[:, :3])
        (failed,) = lines(caplog)
    assert [(line["protocol"], line["route"], line["status"]) for line in seen] == [
        ("http", "/v1/decode", 200),
        ("http", "/v1/decode", 200),
        ("oip-http", "/v2/models/{model}/infer", 200),
        ("oip-http", "/v2/models/{model}/infer", 200),
        ("oip-grpc", "/inference.GRPCInferenceService/ModelInfer", "OK"),
        ("grpc", "/latentserve.v1.Latents/Decode", "OK"),
    ]
    for line in seen:
        assert (line["slug"], line["items"], line["batch_size"]) == ("ok", 2, 2)
        assert line["caller"] == "127.0.0.1"
        assert line["total_ms"] >= line["compute_ms"] > 0
        assert line["queue_ms"] >= 0
        assert line["codec_ms"] >= 0
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
    assert (failed["status"], failed["slug"], failed["batch_size"]) == (422, "shape_mismatch", 0)


async def test_the_callers_id_is_in_the_answer_and_in_the_line(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "latentserve.access")
    metadata = (("x-request-id", "order-81"),)
    async with served(bundle) as (client, channel):
        headers = {"X-Request-ID": "order-81"}
        answers = [
            await client.post("/v1/decode", json={"latents": ROWS.tolist()}, headers=headers),
            await client.post("/v2/models/decoder/infer", content=b"{", headers=headers),
            await client.get("/nowhere", headers=headers),
        ]
        sent = [answer.headers["x-request-id"] for answer in answers]
        call = LatentsStub(channel).Decode(ASKED, metadata=metadata)
        await call
        sent.append(dict(await call.trailing_metadata())["x-request-id"])
        wrong = GRPCInferenceServiceStub(channel).ModelInfer(
            ModelInferRequest(model_name="none"), metadata=metadata
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await wrong
        sent.append(dict(refused.value.trailing_metadata())["x-request-id"])
        unknown = channel.unary_unary("/no.Such/Method")(b"", metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await unknown
        sent.append(dict(refused.value.trailing_metadata())["x-request-id"])
        stream = LatentsStub(channel).DecodeStream(iter([ASKED, ASKED]), metadata=metadata)
        assert len([answer async for answer in stream]) == 2
    assert sent == ["order-81"] * len(sent)
    ids = [line["request_id"] for line in lines(caplog)]
    assert sorted(ids) == [*sent, "order-81/0", "order-81/1"]


async def test_nothing_is_logged_unless_asked_for(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "latentserve.access")
    async with served(bundle, access_log=False) as (client, channel):
        await client.get("/livez")
        await LatentsStub(channel).Decode(ASKED)
    assert lines(caplog) == []


async def test_what_a_client_sends_never_makes_a_line_of_its_own(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "latentserve.access")
    forged = 'x"}\n{"request_id":"forged"}'
    async with served(bundle) as (client, channel):
        await asyncio.gather(
            client.get("/v1/model", headers={"X-Request-ID": forged.replace("\n", "\t")}),
            client.request("FORGED", "/v1/model"),
            client.get("/v2/models/%0A%7B%22request_id%22%3A%22forged%22%7D/ready"),
            client.get("/%E2%80%A8forged"),
            client.get("/v1/model?forged=%0Aforged"),
        )
        with contextlib.suppress(grpc.aio.AioRpcError):
            await channel.unary_unary("/forged\n/forged")(b"")
    seen = lines(caplog)
    assert len(seen) == 6
    assert "forged" not in json.dumps(seen)
    assert {line.get("method") for line in seen} == {"GET", "_OTHER", None}


@given(identity=st.text(), caller=st.text(), method=st.text())
def test_any_text_is_one_short_line(identity: str, caller: str, method: str) -> None:
    call = Call(caller=caller * 40, request_id=identity * 40)
    finished = Finished("http", http_method(method), "/v1/decode", 200, "ok", 0.1, call)
    text = access_log.line(finished, NOW)
    assert text.isascii()
    assert len(text.splitlines()) == 1
    assert len(text) <= access_log.MAX_CHARACTERS
    fields = json.loads(text)
    assert fields.get("caller", "")[:128] == call.caller[:128]


def test_a_line_has_times_in_milliseconds() -> None:
    call = Call("me", None, "r1", queue_s=0.0015, compute_s=0.25, encode_s=0.001)
    finished = Finished("grpc", "", "/a/B", "OK", "ok", 0.5, call)
    fields = json.loads(access_log.line(finished, NOW, "ab" * 16))
    assert fields == {
        "time": "2026-01-02T03:04:05.678+00:00",
        "request_id": "r1",
        "caller": "me",
        "protocol": "grpc",
        "route": "/a/B",
        "status": "OK",
        "slug": "ok",
        "items": 0,
        "batch_size": 0,
        "queue_ms": 1.5,
        "compute_ms": 250.0,
        "codec_ms": 1.0,
        "total_ms": 500.0,
        "trace_id": "ab" * 16,
    }

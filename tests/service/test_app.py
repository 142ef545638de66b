"""The data plane's own promises: headers, limits, deadlines, callers that leave, faults."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import orjson
import pytest
import pytest_asyncio

from inference.errors import ERRORS, QueueFull
from service.app import create_app
from service.guest import VISIT, Hosted
from service.runtime import Runtime
from service.settings import Settings
from tests.support.http_app import served
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


LATENTS = {"latents": [[0.0, 1.0, -1.0, 0.5]]}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest_asyncio.fixture(name="app")
async def _app(bundle: Path) -> AsyncGenerator[tuple[httpx.AsyncClient, Runtime]]:
    async with served(bundle, max_body_bytes=2048, access_log=True) as pair:
        yield pair


Pair = tuple[httpx.AsyncClient, Runtime]


async def test_every_answer_carries_the_headers(app: Pair) -> None:
    client, _ = app
    answer = await client.post("/v1/decode", json=LATENTS, headers={"X-Request-ID": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["x-model-version"] == "1"
    assert answer.headers["x-batch-size"] == "1"
    stages = [part.split(";dur=") for part in answer.headers["server-timing"].split(", ")]
    assert [name for name, _ in stages] == ["queue", "compute", "codec"]
    assert float(stages[2][1]) > 0
    error = await client.get("/nowhere", headers={"X-Request-ID": "not sane!"})
    assert len(error.headers["x-request-id"]) == 16
    page = await client.get("/livez")
    for other in (error, page):
        assert other.headers["x-model-version"] == "1"
        assert other.headers["x-batch-size"] == "0"
        assert other.headers["server-timing"].startswith("queue;dur=0.000")


async def test_accept_may_come_on_several_lines(app: Pair) -> None:
    lines = [("Accept", "image/jpeg;q=0.1"), ("Accept", "image/webp")]
    for headers in (lines, lines[::-1]):
        answer = await app[0].post("/v1/decode", json=LATENTS, headers=headers)
        assert answer.headers["content-type"] == "image/webp"


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nowhere", 404, "route_not_found"),
        ("POST", "/v1/encod", 404, "route_not_found"),
        ("GET", "/v1/encode/", 404, "route_not_found"),
        ("GET", "/v1/encode", 405, "method_not_allowed"),
        ("DELETE", "/v1/model", 405, "method_not_allowed"),
        ("OPTIONS", "/", 405, "method_not_allowed"),
    ],
)
async def test_unknown_routes_and_methods(
    method: str, path: str, status: int, slug: str, app: Pair
) -> None:
    answer = await app[0].request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["slug"] == slug
    if status == 405:
        assert answer.headers["allow"] == ("POST" if path == "/v1/encode" else "GET, HEAD")


async def test_a_near_path_is_named(app: Pair) -> None:
    answer = await app[0].post("/v1/encod")
    assert "did you mean /v1/encode" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/", "/docs", "/livez", "/readyz", "/metrics", "/openapi.json"])
async def test_pages_answer_get_and_head(path: str, app: Pair) -> None:
    answer = await app[0].get(path)
    head = await app[0].head(path)
    assert answer.status_code == head.status_code == 200
    assert answer.content
    assert not head.content
    assert head.headers["content-type"] == answer.headers["content-type"]


async def test_pages_need_no_other_host(app: Pair) -> None:
    for path in ("/", "/docs"):
        page = (await app[0].get(path)).text
        assert "://" not in page
        assert "<script" not in page
    assert "/v1/encode" in (await app[0].get("/docs")).text


async def test_the_body_is_bounded(app: Pair) -> None:
    client, runtime = app
    announced = await client.post("/v1/decode", content=b"x" * 2049)

    async def endless() -> AsyncGenerator[bytes]:
        for _ in range(1_000_000):
            yield b"x" * 1024

    streamed = await client.post("/v1/decode", content=endless())
    for answer in (announced, streamed):
        assert answer.status_code == 413
        assert answer.json()["error"]["slug"] == "payload_too_large"
    assert runtime.engine.admission.in_flight == 0


@pytest.mark.parametrize("sent", ["soon", "-1", "0", "nan", "inf", ""])
async def test_a_wrong_deadline(sent: str, app: Pair) -> None:
    answer = await app[0].post("/v1/decode", json=LATENTS, headers={"X-Deadline-Ms": sent})
    assert answer.status_code == 400
    assert "X-Deadline-Ms" in answer.json()["error"]["message"]


def _slow(runtime: Runtime, started: asyncio.Event, cancelled: asyncio.Event) -> Any:
    async def decode(*_: object) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    runtime.engine.decode = decode  # type: ignore[method-assign, assignment]
    return decode


async def test_a_deadline_cancels_the_work(app: Pair) -> None:
    client, runtime = app
    started, cancelled = asyncio.Event(), asyncio.Event()
    _slow(runtime, started, cancelled)
    answer = await client.post("/v1/decode", json=LATENTS, headers={"X-Deadline-Ms": "20"})
    assert answer.status_code == 504
    assert answer.json()["error"]["slug"] == "deadline_exceeded"
    assert "20 ms" in answer.json()["error"]["message"]
    assert cancelled.is_set()


def scope(path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    pairs = {"content-type": "application/json", **(headers or {})}
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
    }


async def test_a_caller_that_leaves_cancels_its_work(app: Pair) -> None:
    _, runtime = app
    started, cancelled = asyncio.Event(), asyncio.Event()
    _slow(runtime, started, cancelled)
    gave_body = False

    async def receive() -> dict[str, Any]:
        nonlocal gave_body
        if not gave_body:
            gave_body = True
            return {"type": "http.request", "body": orjson.dumps(LATENTS)}
        await started.wait()
        return {"type": "http.disconnect"}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await create_app(runtime.settings, runtime=runtime)(scope("/v1/decode"), receive, send)
    assert cancelled.is_set()
    assert sent == []
    labels = {"route": "/v1/decode", "status": "499", "slug": "client_left"}
    registry = runtime.telemetry.registry
    assert registry.get_sample_value("latentserve_requests_total", labels) == 1
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_fault_shows_the_request_id_and_no_more(
    app: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    client, runtime = app

    async def decode(*_: object) -> None:
        raise RuntimeError("a secret path")

    runtime.engine.decode = decode  # type: ignore[method-assign, assignment]
    answer = await client.post("/v1/decode", json=LATENTS, headers={"X-Request-ID": "r7"})
    assert answer.status_code == 500
    assert answer.json()["error"]["slug"] == "inference_failed"
    assert "secret" not in answer.text
    assert "r7" in answer.json()["error"]["message"]
    assert "a secret path" in caplog.text


async def test_not_ready_before_the_warm_up_and_not_while_draining(bundle: Path) -> None:

    runtime = Runtime(Settings(bundle=bundle, device="cpu", threads=1))
    transport = httpx.ASGITransport(app=create_app(runtime.settings, runtime=runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        seen = []
        for step in (lambda: None, runtime.open, None, runtime.drain):
            if step is None:
                runtime.start()
                await runtime.ready()
            else:
                step()
            ready = await client.get("/readyz")
            live = await client.get("/livez")
            data = await client.post("/v1/decode", json=LATENTS)
            assert live.status_code == 200
            assert data.status_code == ready.status_code
            slug = "ok" if ready.is_success else ready.json()["error"]["slug"]
            seen.append((ready.status_code, slug, ready.headers.get("retry-after")))
        await runtime.aclose()
    assert seen == [
        (503, "not_ready", "1"),
        (503, "not_ready", "1"),
        (200, "ok", None),
        (503, "shutting_down", "5"),
    ]


async def test_metrics_have_bounded_labels(app: Pair) -> None:
    client, _ = app
    for i in range(5):
        await client.get(f"/no/such/path/{i}")
    await client.post("/v1/decode", json=LATENTS)
    text = (await client.get("/metrics")).text
    unknown = 'latentserve_requests_total{route="unknown",slug="route_not_found",status="404"} 5.0'
    assert unknown in text
    assert "/no/such" not in text
    for metric in (
        'latentserve_batch_items_count{graph="decoder"} 1.0',
        'latentserve_queue_wait_seconds_count{graph="decoder"} 1.0',
        'latentserve_compute_seconds_count{graph="decoder"} 1.0',
        'latentserve_codec_seconds_count{stage="encode"} 1.0',
        'latentserve_queue_items{graph="encoder"} 0.0',
        "latentserve_items_in_flight 0.0",
        "latentserve_ready 1.0",
        'latentserve_model_info{name="tiny"',
    ):
        assert metric in text


async def test_many_callers_at_once_each_get_their_own(app: Pair) -> None:
    client, _ = app

    async def one(i: int) -> None:
        row = [((i * 7 + column) % 17) / 4 - 2 for column in range(4)]
        answer = await client.post(
            "/v1/decode", json={"latents": [row]}, headers={"Accept": "application/x-npy"}
        )
        assert answer.status_code == 200, answer.text
        pixels = np.frombuffer(answer.content[-16 * 16 * 3 :], np.uint8).reshape(16, 16, 3)
        bands = pixels.reshape(4, -1)[:, 0]
        assert bands == pytest.approx([(value / 4 + 0.5) * 255 for value in row], abs=0.51)

    await asyncio.gather(*(one(i) for i in range(64)))


class Guest:
    """An application behind ours, which answers what it is told to."""

    def __init__(self, status: int, body: bytes, *, arrives: bool = True) -> None:
        """Answer every request with this."""
        self.status, self.body, self.arrives = status, body, arrives
        self.seen: list[tuple[str, bytes, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        visit = VISIT.get()
        visit.arrived = self.arrives
        self.seen.append((scope["method"], message["body"], visit.call.request_id))
        headers = [(b"content-type", b"application/json"), (b"server", b"guest")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


async def _ask(
    runtime: Runtime, guest: Guest, method: str, body: bytes, path: str = "/sample"
) -> httpx.Response:
    hosted = Hosted(guest, {"/sample": "POST", "/schema.json": "GET"})
    transport = httpx.ASGITransport(
        app=create_app(runtime.settings, runtime=runtime, hosted=hosted)
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, content=body)


async def test_a_hosted_path_is_passed_on(app: Pair) -> None:
    guest = Guest(200, b"[1]")
    answer = await _ask(app[1], guest, "POST", b"body")
    assert (answer.status_code, answer.content) == (200, b"[1]")
    assert guest.seen == [("POST", b"body", answer.headers["x-request-id"])]
    assert answer.headers["server"] == "guest"


async def test_a_hosted_page_answers_head_as_it_says(app: Pair) -> None:
    guest = Guest(200, b"[1]")
    answer = await _ask(app[1], guest, "HEAD", b"", "/schema.json")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "3"
    assert guest.seen[0][0] == "GET"
    assert (await _ask(app[1], guest, "POST", b"", "/schema.json")).headers["allow"] == "GET, HEAD"


async def test_a_body_that_the_hosted_application_cannot_read_is_the_callers_fault(
    app: Pair,
) -> None:
    answer = await _ask(app[1], Guest(500, b"{}", arrives=False), "POST", b"junk")
    assert answer.status_code == 400
    assert answer.json()["error"]["slug"] == "invalid_request"


async def test_a_hosted_path_has_our_limits_and_methods(app: Pair) -> None:
    guest = Guest(200, b"[1]")
    assert (await _ask(app[1], guest, "POST", b"x" * 3000)).status_code == 413
    assert (await _ask(app[1], guest, "GET", b"")).headers["allow"] == "POST"
    assert guest.seen == []


@pytest.mark.parametrize(("status", "slug"), [(400, "invalid_request"), (500, "inference_failed")])
async def test_a_hosted_failure_is_put_in_our_envelope(status: int, slug: str, app: Pair) -> None:
    answer = await _ask(app[1], Guest(status, b'[{"error": "no"}]'), "POST", b"")
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["slug"] == slug
    assert slug in ERRORS
    assert (error["message"] == "no") == (status < 500)


async def test_a_lifespan_of_its_own(bundle: Path) -> None:
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    app = create_app(Settings(bundle=bundle, device="cpu", threads=1))
    task = asyncio.create_task(app({"type": "lifespan"}, events.get, sent.put))
    await events.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    await app.runtime.ready()
    assert app.runtime.engine.admission.state == "ready"
    await events.put({"type": "lifespan.shutdown"})
    assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    await task


async def test_a_web_socket_is_closed(app: Pair) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    await create_app(app[1].settings, runtime=app[1])({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_fairness_goes_by_the_peers_address(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, runtime = app
    callers: list[str] = []
    decode = runtime.engine.decode

    async def note(latents: Any, call: Any, then: Any) -> Any:
        callers.append(call.caller)
        return await decode(latents, call, then)

    monkeypatch.setattr(runtime.engine, "decode", note)
    await client.post("/v1/decode", json=LATENTS)
    assert callers == ["127.0.0.1"]


async def test_a_full_queue_refuses_before_the_body_is_read(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, runtime = app
    asked: list[tuple[str, str]] = []

    def full(graph: str, call: Any) -> None:
        asked.append((graph, call.caller))
        raise QueueFull("full", retry_after_s=2.0)

    monkeypatch.setattr(runtime.engine, "check_queue_room", full)
    monkeypatch.setattr("service.app.read_body", lambda *_: pytest.fail("the body was read"))
    for route in ("encode", "decode", "shift", "sample"):
        answer = await client.post(f"/v1/{route}", content=b"anything")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert asked == [(graph, "127.0.0.1") for graph in ("encoder", "decoder", "decoder", "decoder")]


async def test_bodies_that_hold_too_much_together_are_refused(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.bodies.BODIES_AT_ONCE", 0)
    plane = create_app(app[1].settings, runtime=app[1])
    transport = httpx.ASGITransport(app=plane)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/v1/decode", json=LATENTS)
        assert (await client.get("/livez")).status_code == 200
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"

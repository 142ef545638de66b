"""What the service leans on in BentoML (`service.hosting` numbers the points)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import bentoml
import httpx
import pytest
import uvicorn
import uvicorn.config
from starlette.responses import Response

import service
from service.hosting import FrontedService, ends_if_it_cannot_start

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import ASGIApp, Receive, Scope, Send


class Marked(bentoml.Service[Any]):
    """A service whose worker answers one path itself."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        inner: ASGIApp = super().to_asgi(is_main=is_main)

        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] == "/ours":
                await Response("ours")(scope, receive, send)
            else:
                await inner(scope, receive, send)

        return front


EVENTS: list[str] = []


@bentoml.service(service_class=Marked, metrics={"enabled": False})
class Small:
    """A service with a hook at each end and an endpoint that answers by itself."""

    @bentoml.on_startup
    async def begin(self) -> None:
        EVENTS.append("begin")

    @bentoml.on_shutdown
    async def end(self) -> None:
        EVENTS.append("end")

    @bentoml.api
    async def double(self, n: int) -> int:
        return 2 * n

    @bentoml.api
    async def refuse(self, ctx: bentoml.Context) -> int:
        ctx.response.status_code = 418
        ctx.response.metadata["Retry-After"] = "3"
        response: Any = Response(b"[1]", media_type="application/json")
        return response  # type: ignore[no-any-return]


def test_the_class_given_is_the_class_made_and_lists_its_endpoints() -> None:
    assert isinstance(Small, Marked)
    assert {name: api.route for name, api in Small.apis.items()} == {
        "double": "/double",
        "refuse": "/refuse",
    }


@contextlib.asynccontextmanager
async def alive(app: ASGIApp) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of an application between its lifespan's two events."""
    events: asyncio.Queue[Any] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan", "state": {}}, events.get, sent.put))
    events.put_nowait({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    events.put_nowait({"type": "lifespan.shutdown"})
    assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    await life


# BentoML reads a model's fields in a way that pydantic has deprecated.
@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields':DeprecationWarning")
async def test_its_application_runs_the_hooks_and_answers_beside_ours() -> None:
    EVENTS.clear()
    async with alive(Small.to_asgi()) as client:
        assert EVENTS == ["begin"]
        assert (await client.get("/ours")).text == "ours"
        assert (await client.post("/double", json={"n": 4})).json() == 8
        schema = (await client.get("/schema.json")).json()
        assert {route["name"] for route in schema["routes"]} == {"double", "refuse"}
        refused = await client.post("/refuse", json={})
        assert (refused.status_code, refused.content) == (418, b"[1]")
        assert refused.headers["retry-after"] == "3"
    assert EVENTS == ["begin", "end"]


def test_our_service_has_the_four_endpoints_and_none_takes_a_file() -> None:
    made = service.LatentService
    assert isinstance(made, FrontedService)
    assert set(made.apis) == {"encode", "decode", "sample", "shift"}
    for route in made.schema()["routes"]:
        for schema in route["input"]["properties"].values():
            assert schema["type"] in {"tensor", "integer", "number", "string", "object"}


@pytest.mark.skipif(sys.platform != "linux", reason="workers share sockets on Linux")
def test_uvicorn_makes_the_loop_that_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(uvicorn.config.LOOP_FACTORIES, "auto", "service.accepting:fair_loop")
    make = uvicorn.Config(Small.to_asgi).get_loop_factory()
    assert make is not None
    loop = make()
    loop.close()
    assert type(loop).__name__ == "FairLoop"


def test_metrics_are_the_workers_own() -> None:
    code = (
        "import service; service.LatentService.to_asgi();"
        "from prometheus_client import values; print(values.ValueClass.__name__)"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": "/nowhere"}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "MutexValue"


def test_the_supervisor_imports_nothing_that_only_a_worker_needs() -> None:
    code = "import sys, service; service.LatentService; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(shown.stdout.split())
    assert "bentoml" in loaded
    assert not loaded & {"onnxruntime", "PIL", "grpc", "prometheus_client", "inference.engine"}


def test_settings_need_no_bentoml() -> None:
    code = "import sys, service.settings; print('bentoml' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_this_process_is_supervised_by_nobody() -> None:
    assert bentoml.server_context.worker_index is None


async def test_a_start_that_fails_ends_the_server(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[bool] = []
    sent: list[Any] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.failed", "message": "Traceback\nBundleError: gone\n"})

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    # The package's own handler may be in place, and then nothing goes further up.
    monitored = logging.getLogger("latentserve")
    monitored.addHandler(caplog.handler)
    watched = ends_if_it_cannot_start(app, lambda: ended.append(True))
    await watched({"type": "lifespan"}, receive, send)
    monitored.removeHandler(caplog.handler)
    assert (ended, sent) == ([True], ["lifespan.startup.failed"])
    assert "cannot start, so the server ends: BundleError: gone" in caplog.text

"""The data plane: one plain ASGI application in front of everything that the worker answers.

ASGI head → route → body (bounded) → handler under its deadline → reply with the common headers
                                   └ any failure → the JSON envelope

Knows HTTP and the table of routes; leaves pixels to the handlers and batches to the engine.

1. Every request ends in exactly one reply and one count, unless its caller left.
2. A caller that leaves cancels its work.
3. Whatever goes wrong, the answer is the envelope.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING

from inference.call import Call
from inference.errors import DeadlineExceeded, InvalidRequest
from service import guest, routes
from service.cors import Cors, parse_origins
from service.envelope import failure
from service.finished import Finished, http_method
from service.oip.paths import is_v2
from service.pages import check_ready
from service.runtime import Runtime
from service.wire import (
    ClientLeft,
    Reply,
    Request,
    caller_of,
    head_of,
    parse_query,
    read_body,
    replay,
    request_id,
    send_reply,
    server_timing,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.finished import Protocol
    from service.guest import Hosted
    from service.settings import Settings

_CLIENT_LEFT = 499


def create_app(
    settings: Settings, *, runtime: Runtime | None = None, hosted: Hosted | None = None
) -> ASGIApp:
    """The ASGI application of one worker.

    Args:
        settings: The server's settings.
        runtime: Opened and closed by the caller; without one the application makes its own and
            opens it in its lifespan.
        hosted: An application to send some paths, and the lifespan, to.
    """
    app = DataPlane(runtime or Runtime(settings), hosted)
    origins = parse_origins(settings.cors_origins)
    return Cors(app, origins) if origins else app


class DataPlane:
    """The application; see the module's head."""

    def __init__(self, runtime: Runtime, hosted: Hosted | None) -> None:
        """Keep the worker's runtime and the application behind this one."""
        self.runtime = runtime
        self._hosted = hosted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection scope."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            if self._hosted is None:
                await self._live(receive, send)
            else:
                await self._hosted.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = head_of(scope)
        call = Call(caller=caller_of(scope), request_id=request_id(headers))
        self.runtime.observer.arrive(call, headers)
        self.runtime.observer.begin(call, scope["path"])
        label, slug = routes.label(scope["path"]), "ok"
        try:
            self.runtime.access.admit_http(call, scope["path"], headers)
            if self._is_hosted(scope):
                label = scope["path"]
                reply = await self._pass_on(scope, headers, receive, call)
                slug = guest.slug(reply)
            else:
                route = routes.find(scope["method"], scope["path"])
                reply = await self._answer(route, scope, headers, receive, call)
        except ClientLeft:
            self._finish(scope, label, _CLIENT_LEFT, "client_left", started, call)
            return
        except Exception as error:  # noqa: BLE001  (invariant 3)
            reply, slug = failure(error, call.request_id, flat=is_v2(scope["path"]))
        self._finish(scope, label, reply.status, slug, started, call)
        head_only = scope["method"] == "HEAD"
        await send_reply(send, reply, self._common_headers(call), head_only=head_only)

    async def _answer(
        self,
        route: routes.Route,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        call: Call,
    ) -> Reply:
        request = Request(
            scope["method"], scope["path"], headers, parse_query(scope["query_string"]), b"", call
        )
        if not route.data:
            return await route.handler(self.runtime, request, route)
        check_ready(self.runtime)
        if route.graph is not None:
            # A refusal must cost little, or a flood of them is a load of its own.
            self.runtime.engine.check_queue_room(route.graph, call)
        async with self._deadline(headers, call):
            with self.runtime.bodies.lease(call.caller) as take:
                limit = self.runtime.settings.max_body_bytes
                request.body = await read_body(receive, headers, limit, take)
                async with _cancelled_if_caller_leaves(receive):
                    reply = await route.handler(self.runtime, request, route)
        return reply

    @contextlib.asynccontextmanager
    async def _deadline(self, headers: Mapping[bytes, bytes], call: Call) -> AsyncGenerator[None]:
        limit_ms = self.runtime.settings.deadline_ms
        deadline_ms = min(_deadline_ms(headers, limit_ms), limit_ms)
        call.deadline = time.monotonic() + deadline_ms / 1000
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                yield
        except TimeoutError:
            raise DeadlineExceeded(
                f"no answer within {deadline_ms:g} ms; ask for less, or allow more by "
                f"X-Deadline-Ms (at most {limit_ms:g})"
            ) from None

    def _is_hosted(self, scope: Scope) -> bool:
        if self._hosted is None or scope["path"] not in self._hosted.methods:
            return False
        method = self._hosted.methods[scope["path"]]
        if scope["method"] != method and (scope["method"], method) != ("HEAD", "GET"):
            raise routes.wrong_method(scope["method"], scope["path"], [method])
        return True

    async def _pass_on(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, call: Call
    ) -> Reply:
        """Let the hosted application answer, under our limits of body, time and patience."""
        assert self._hosted is not None  # noqa: S101  (checked by the caller)
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        method = self._hosted.methods[scope["path"]]
        visit = guest.Visit(call)
        guest.VISIT.set(visit)
        async with self._deadline(headers, call):
            with self.runtime.bodies.lease(call.caller) as take:
                limit = self.runtime.settings.max_body_bytes
                body = await read_body(receive, headers, limit, take)
                async with _cancelled_if_caller_leaves(receive):
                    await self._hosted.app({**scope, "method": method}, replay(body, receive), keep)
        return guest.reply(messages, visit)

    def _common_headers(self, call: Call) -> dict[str, str]:
        headers = {
            "X-Request-ID": call.request_id,
            "X-Batch-Size": str(call.batch_size),
            "Server-Timing": server_timing(call),
        }
        with contextlib.suppress(Exception):
            headers["X-Model-Version"] = self.runtime.engine.bundle.manifest.version
        return headers

    def _finish(  # noqa: PLR0917  (one request's worth, in the order of the flow)
        self, scope: Scope, label: str, status: int, slug: str, started: float, call: Call
    ) -> None:
        seconds = time.perf_counter() - started
        protocol: Protocol = "oip-http" if is_v2(scope["path"]) else "http"
        method = http_method(scope["method"])
        self.runtime.observer.finish(
            Finished(protocol, method, label, int(status), slug, seconds, call)
        )
        self.runtime.access.count(call, slug)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self.runtime.open()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        self.runtime.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.runtime.aclose()
        await send({"type": "lifespan.shutdown.complete"})


@contextlib.asynccontextmanager
async def _cancelled_if_caller_leaves(receive: Receive) -> AsyncGenerator[None]:
    """Cancel the block, and raise `ClientLeft`, when the connection closes meanwhile."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  (a coroutine runs in one)
    left = False

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if left and task.uncancel() == 0:
            raise ClientLeft from None
        raise
    finally:
        watcher.cancel()


def _deadline_ms(headers: Mapping[bytes, bytes], default_ms: float) -> float:
    sent = headers.get(b"x-deadline-ms")
    if sent is None:
        return default_ms
    try:
        value = float(sent)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InvalidRequest(
            f"X-Deadline-Ms is {sent[:40].decode('latin-1')!r}, but must be a number of "
            "milliseconds above 0; correct or drop it"
        )
    return value

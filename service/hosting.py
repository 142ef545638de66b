"""The one place that leans on how BentoML hosts a service class; a contract test pins each point.

bentoml.Service.to_asgi() → BentoML's application → behind our data plane, as `Hosted`

Points it leans on, all of BentoML 1.4:

1. ``@bentoml.service(service_class=…)`` makes the class given here, and the worker hands what
   its ``to_asgi()`` returns to uvicorn.
2. ``service.apis`` lists the endpoints with their routes; ``/schema.json`` describes them.
3. The application that ``super().to_asgi()`` returns runs start-up and shutdown hooks in its
   lifespan.
4. An endpoint that returns a Starlette response has it sent as it is.
5. Endpoints run in the context (``contextvars``) of the request that the application was given.
6. ``bentoml.server_context.worker_index`` is a number in a worker that ``bentoml serve`` started,
   whose parent process then is the supervisor. It starts a worker that ended anew, for ever, or
   in a container goes on without it: so a worker that cannot start ends its supervisor.
7. The worker makes its ``uvicorn.Config`` after ``to_asgi``, and with the protocol and the loop
   ``auto``.
8. The supervisor imports the service before it starts workers, which inherit its environment and
   one socket to listen at. It calls neither ``to_asgi`` nor the class: what only a worker needs is
   imported there, since a start waits for the supervisor first.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, TypeVar

import bentoml
import uvicorn.config

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")
logger = logging.getLogger("latentserve")
SCHEMA_PATH = "/schema.json"


def end_server() -> None:
    """End the whole server as a terminal would, or this process if nothing supervises it."""
    supervised = bentoml.server_context.worker_index is not None
    os.kill(os.getppid() if supervised else os.getpid(), signal.SIGTERM)


def ends_if_it_cannot_start(app: ASGIApp, end: Callable[[], None]) -> ASGIApp:
    """``app``, with ``end`` called when its start-up fails."""

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                lines = message.get("message", "").strip().splitlines()
                reason = lines[-1] if lines else "no reason given"
                logger.critical("the worker cannot start, so the server ends: %s", reason)
                end()
            await send(message)

        await app(scope, receive, tell if scope["type"] == "lifespan" else send)

    return watched


def share_connections(workers: int) -> None:
    """Let the ``workers`` that this process will start take connections in turns."""
    if sys.platform == "linux":
        from service.accepting import offer_tally  # noqa: PLC0415  (needs what Windows lacks)

        offer_tally(workers)


class FrontedService(bentoml.Service[T]):
    """A service whose worker answers through our data plane."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The worker's application."""
        from service import worker  # noqa: PLC0415  (the supervisor would wait for it, too)

        uvicorn.config.HTTP_PROTOCOLS["auto"] = "service.protocol:BoundedHttp"
        if worker.this_runtime().settings.workers > 1 and sys.platform == "linux":
            uvicorn.config.LOOP_FACTORIES["auto"] = "service.accepting:fair_loop"
        app = ends_if_it_cannot_start(super().to_asgi(is_main=is_main), end_server)
        return worker.data_plane(app, self._methods())

    def _methods(self) -> dict[str, str]:
        endpoints = {api.route: "POST" for api in self.apis.values()}
        return {**endpoints, SCHEMA_PATH: "GET"}

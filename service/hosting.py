"""The one place that leans on how BentoML hosts a service class; a contract test pins each point.

bentoml.Service.to_asgi() → BentoML's application → behind our data plane, as `Hosted`

Points it leans on, all of BentoML 1.4:

1. ``@bentoml.service(service_class=…)`` makes the class given here, and the worker hands what
   its ``to_asgi()`` returns to uvicorn.
2. ``service.apis`` lists the endpoints with their routes; ``/schema.json`` describes them.
3. The application that ``super().to_asgi()`` returns runs start-up and shutdown hooks in its
   lifespan.
4. An endpoint that returns a Starlette response has it sent as it is.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import bentoml

# BentoML points all servers of a host to one folder for metrics, and each start empties it; ours
# are the worker's own. prometheus_client reads this once, when it is first imported.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)

from service.app import create_app
from service.guest import Hosted
from service.runtime import Runtime
from service.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

T = TypeVar("T")
SCHEMA_PATH = "/schema.json"


@cache
def this_runtime() -> Runtime:
    """The one runtime of this process."""
    _log_to_stderr()
    return Runtime(Settings())


class FrontedService(bentoml.Service[T]):
    """A service whose worker answers through our data plane."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The worker's application."""
        runtime = this_runtime()
        app: Any = super().to_asgi(is_main=is_main)
        return create_app(runtime.settings, runtime=runtime, hosted=Hosted(app, self._methods()))

    def _methods(self) -> dict[str, str]:
        endpoints = {api.route: "POST" for api in self.apis.values()}
        return {**endpoints, SCHEMA_PATH: "GET"}


def _log_to_stderr() -> None:
    """Our log lines on standard error, whatever BentoML does with its own."""
    logger = logging.getLogger("latentserve")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False

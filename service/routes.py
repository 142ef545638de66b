"""The table of routes: path, method, what goes in, what can come out, who answers.

method, path → Route | route_not_found with the known paths | method_not_allowed with Allow

The dispatcher, the metrics' labels and the OpenAPI document read this one table.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from inference.errors import MethodNotAllowed, RouteNotFound
from service import endpoints, facts, pages
from service.inputs import GROUPS, IMAGES, LATENTS
from service.oip import paths, rest
from service.parameters import (
    ImageParameters,
    InterpolateParameters,
    Parameters,
    SampleParameters,
    ShiftParameters,
)
from service.rendering import IMAGE_OFFERS, VECTOR_OFFERS
from service.telemetry import UNKNOWN_ROUTE
from service.wire import JSON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from inference.graphs import GraphName
    from service.runtime import Runtime
    from service.wire import Reply, Request

    Handler = Callable[[Runtime, Request, "Route"], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path.

    Attributes:
        method: GET answers HEAD too.
        path: Exact; there are no path parameters.
        handler: Gives the reply.
        takes: The fields of images, latents or groups that it takes, or none.
        offers: Media types of the answer, the default first.
        parameters: The fields beside images and latents.
        raw: Whether one image is a whole request, and so may be the body itself.
        data: Whether it runs the model; such routes have a body, a deadline and wait for readiness.
        graph: Without room in its queue the route can do nothing; None if that depends.
    """

    method: str
    path: str
    handler: Handler
    takes: frozenset[str] = frozenset()
    offers: tuple[str, ...] = (JSON,)
    parameters: type[Parameters] = Parameters
    raw: bool = True
    data: bool = False
    graph: GraphName | None = None

    @property
    def name(self) -> str:
        """The operation's name, unique in the table."""
        return self.handler.__name__

    @property
    def summary(self) -> str:
        """One line on what it does."""
        return (self.handler.__doc__ or "").strip()


def _data(
    path: str,
    handler: Handler,
    takes: frozenset[str],
    parameters: type[Parameters],
    offers: tuple[str, ...] = IMAGE_OFFERS,
    *,
    raw: bool = True,
    graph: GraphName = "decoder",
) -> Route:
    return Route("POST", path, handler, takes, offers, parameters, raw=raw, data=True, graph=graph)


ROUTES: tuple[Route, ...] = (
    _data("/v1/encode", endpoints.encode, IMAGES, Parameters, VECTOR_OFFERS, graph="encoder"),
    _data("/v1/decode", endpoints.decode, LATENTS, ImageParameters),
    _data("/v1/sample", endpoints.sample, frozenset(), SampleParameters),
    _data("/v1/shift", endpoints.shift, IMAGES | LATENTS, ShiftParameters),
    _data("/v1/reconstruct", endpoints.reconstruct, IMAGES, ImageParameters),
    _data(
        "/v1/interpolate",
        endpoints.interpolate,
        IMAGES | LATENTS,
        InterpolateParameters,
        raw=False,
    ),
    _data("/v1/arithmetic", endpoints.arithmetic, GROUPS, ImageParameters),
    Route("GET", "/v1/model", facts.model),
    Route("GET", "/v1/attributes", facts.attributes),
    Route("GET", "/livez", pages.live),
    Route("GET", "/readyz", pages.ready),
    Route("GET", "/metrics", pages.metrics, offers=("text/plain",)),
    Route("GET", "/openapi.json", pages.openapi_json),
    Route("GET", "/docs", pages.docs, offers=("text/html",)),
    Route("GET", "/", pages.index, offers=("text/html",)),
)
V2_ROUTES: tuple[Route, ...] = (
    Route("GET", paths.PREFIX, rest.server_metadata),
    Route("GET", f"{paths.PREFIX}/health/live", rest.server_live),
    Route("GET", f"{paths.PREFIX}/health/ready", rest.server_ready),
    *(
        route
        for model in (paths.MODEL, paths.VERSION)
        for route in (
            Route("GET", model, rest.model_metadata),
            Route("GET", f"{model}/ready", rest.model_ready),
            Route("POST", f"{model}/infer", rest.model_infer, data=True),
        )
    ),
)
"""The Open Inference Protocol, which has a description of its own and needs none of ours."""
_GRANTS = {"GET": ("GET", "HEAD")}
_BY_PATH: dict[str, dict[str, Route]] = {}
for _route in (*ROUTES, *V2_ROUTES):
    _BY_PATH.setdefault(_route.path, {})[_route.method] = _route


def label(path: str) -> str:
    """What metrics and logs call ``path``: its row in the table, or one word for all others."""
    found = paths.template(path)
    return found if found in _BY_PATH else UNKNOWN_ROUTE


def find(method: str, path: str) -> Route:
    """The route of ``method`` on ``path``.

    Raises:
        RouteNotFound: No such path; the message names near ones.
        MethodNotAllowed: The path has no such method; the details list those it has.
    """
    methods = _BY_PATH.get(paths.template(path))
    if methods is None:
        near = get_close_matches(path[:100], _BY_PATH, n=3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise RouteNotFound(
            f"there is no path {path[:100]!r}; {hint}`GET /docs` lists all", details={"near": near}
        )
    route = methods.get("GET" if method == "HEAD" else method)
    if route is None:
        raise wrong_method(method, path, methods)
    return route


def wrong_method(method: str, path: str, allowed: Iterable[str]) -> MethodNotAllowed:
    """The error for a path that has other methods; GET brings HEAD along."""
    names = sorted({name for word in allowed for name in _GRANTS.get(word, (word,))})
    return MethodNotAllowed(
        f"{path} answers {', '.join(names)}, not {method[:20]}; use one of these",
        details={"allow": names},
    )

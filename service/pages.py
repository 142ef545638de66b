"""Health, metrics, and the pages that people read: plain HTML that needs no other host.

runtime, routes → text

Knows no model and no image.
"""
# ruff: noqa: ARG001 - every handler has the same signature

from __future__ import annotations

from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from inference.errors import ERRORS, NotReady, ShuttingDown
from service import openapi, telemetry
from service.rendering import json_bytes
from service.wire import JSON, Reply

if TYPE_CHECKING:
    from service.routes import Route
    from service.runtime import Runtime
    from service.wire import Request

_HTML = "text/html; charset=utf-8"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}code,pre{font-family:ui-monospace,monospace;font-size:.9em}"
    "pre{background:#8882;padding:.6rem;white-space:pre-wrap;overflow-wrap:anywhere}"
    "h2{margin-top:2.5rem;border-top:1px solid #8886;padding-top:1rem}"
    "table{border-collapse:collapse;margin:1rem 0;width:100%}"
    "td,th{border:1px solid #8886;padding:.2rem .6rem;"
    "text-align:left;vertical-align:top}th{background:#8882}li{margin:.3rem 0}"
)


async def live(runtime: Runtime, request: Request, route: Route) -> Reply:
    """200 while the process answers."""
    return Reply(json_bytes({"status": "live"}))


async def ready(runtime: Runtime, request: Request, route: Route) -> Reply:
    """200 once every batch size is warmed up, and until the shutdown begins."""
    check_ready(runtime)
    return Reply(json_bytes({"status": "ready"}))


async def metrics(runtime: Runtime, request: Request, route: Route) -> Reply:
    """This worker's metrics in Prometheus' text format."""
    return Reply(runtime.telemetry.exposition(), telemetry.CONTENT_TYPE)


async def openapi_json(runtime: Runtime, request: Request, route: Route) -> Reply:
    """The OpenAPI document."""
    return Reply(json_bytes(document()))


async def docs(runtime: Runtime, request: Request, route: Route) -> Reply:
    """The OpenAPI document as a page."""
    return Reply(_docs_page(), _HTML)


async def index(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Links to everything that answers GET."""
    return Reply(_index_page(), _HTML)


def check_ready(runtime: Runtime) -> None:
    """Raise unless the worker takes requests.

    Raises:
        NotReady: It is still warming up.
        ShuttingDown: It drains.
    """
    state = runtime.state
    if state == "starting":
        raise NotReady("the model is warming up; try again in a moment", retry_after_s=1.0)
    if state == "draining":
        raise ShuttingDown(
            "this server is shutting down; send the request to another", retry_after_s=5.0
        )


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of all routes."""
    from service.routes import ROUTES  # noqa: PLC0415  (the table of routes holds this page)

    return openapi.build(ROUTES)


def _page(title: str, body: str) -> bytes:
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>{body}</html>"
    ).encode()


@cache
def _index_page() -> bytes:
    paths = document()["paths"].items()
    takes = "".join(
        f"<li><a href='/docs#{path}'><code>POST {path}</code></a> "
        f"{escape(methods['post']['summary'])}"
        for path, methods in paths
        if "post" in methods
    )
    gives = "".join(
        f"<li><a href='{path}'><code>{path}</code></a> {escape(methods['get']['summary'])}"
        for path, methods in paths
        if "get" in methods and path != "/"
    )
    return _page(
        "latentserve",
        "<h1>latentserve</h1><p>A variational autoencoder's latent space over HTTP.</p>"
        f"<h2>Ask the model</h2><ul>{takes}</ul><h2>Look</h2><ul>{gives}</ul>",
    )


@cache
def _docs_page() -> bytes:
    sections = "".join(
        _section(method, path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    )
    lead = (
        "<p>The same as <a href='/openapi.json'><code>/openapi.json</code></a>. What goes wrong is "
        "listed under <a href='#errors'>errors</a>.</p>"
        f"<p>{_prose(document()['info']['description'])}</p>"
    )
    return _page("latentserve: routes", f"<h1>Routes</h1>{lead}{sections}{_errors()}")


def _section(method: str, path: str, operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    body = content.get(JSON, {})
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code><td>{escape(_shown(schema.get('default', '')))}"
        f"<td>{_prose(schema.get('description', ''))}"
        for name, schema in _fields(body.get("schema", {})).items()
    )
    table = f"<table><tr><th>field<th>default<th>meaning{rows}</table>" if rows else ""
    answers = "".join(
        f"<tr><td>{status}<td>{escape(answer['description'])}"
        f"<td><code>{escape(', '.join(answer['content']))}</code>"
        for status, answer in operation["responses"].items()
    )
    takes = f"<p>Takes <code>{escape(', '.join(content))}</code>.</p>" if content else ""
    asked = _example("Sent as JSON", body)
    told = operation["responses"]["200"]["content"].get(JSON, {})
    return (
        f"<h2 id='{escape(path)}'><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(operation['summary'])}</p>{takes}{table}{asked}"
        f"<table><tr><th>status<th>meaning<th>media types{answers}</table>"
        f"{_example('Answered as JSON', told)}"
    )


def _fields(schema: dict[str, Any]) -> dict[str, Any]:
    """The properties of a body, which may have several forms."""
    fields: dict[str, Any] = {}
    for form in schema.get("oneOf", [schema]):
        fields |= form.get("properties", {})
    return fields


def _example(title: str, content: dict[str, Any]) -> str:
    if "example" not in content:
        return ""
    return f"<p>{title}:</p><pre>{escape(_shown(content['example']))}</pre>"


def _errors() -> str:
    shown = document()["components"]["examples"]
    rows = "".join(
        f"<tr><td><code>{slug}</code><td>{row.http_status}<td>{row.retry}"
        f"<td>{_prose(shown[slug]['value']['error']['message'])}"
        for slug, row in ERRORS.items()
    )
    envelope = _shown(next(iter(shown.values()))["value"])
    return (
        f"<h2 id='errors'>Errors</h2><p>Every failure is</p><pre>{escape(envelope)}</pre>"
        f"<table><tr><th>slug<th>status<th>retry<th>for instance{rows}</table>"
    )


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json_bytes(value).decode()


def _prose(text: str) -> str:
    """Text with `code` in back-quotes, as HTML."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts))

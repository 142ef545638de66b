"""The OpenAPI 3.1 document, made from the table of routes and the parameter models.

routes, parameter models, error table, examples → one document, equal on every worker and start

It describes the wire alone: nothing of the loaded model is in it, so it can be compared with a
committed copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference.errors import ERRORS
from service import __version__, examples, schemas
from service.access import OPEN_PATHS
from service.inputs import GROUPS, IMAGES, LATENTS, NPY, body_types
from service.multipart import MULTIPART
from service.parameters import SampleParameters
from service.rendering import ZIP
from service.schemas import BINARY, COMPONENTS, FIELDS, VECTORS, reference
from service.wire import JSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from service.routes import Route
    from service.schemas import Schema

Document = dict[str, Any]
_FILES: Document = {"type": "array", "minItems": 1, "items": BINARY}
_STRENGTHS: Document = {
    "type": "object",
    "additionalProperties": SampleParameters.model_json_schema()["properties"]["attributes"][
        "additionalProperties"
    ],
    "description": "Strengths by the names that `GET /v1/attributes` lists.",
}
_HEADERS: Document = {
    "X-Request-ID": ("The caller's id if it sent a sane one, else a new one.", "string"),
    "X-Model-Version": ("Version of the model that answered, once one is loaded.", "string"),
    "X-Batch-Size": ("Items of the largest micro-batch that the request rode in.", "integer"),
    "Server-Timing": ("Milliseconds in queue, compute and codec.", "string"),
}
_SEED = ("The seed of these images.", "integer")
_RETRY = ("Seconds until it is worth trying again.", "integer")
_SCHEME = ("Bearer.", "string")
_KEY = "apiKey"
_UNAUTHENTICATED = str(ERRORS["unauthenticated"].http_status)
_TRY_LATER = frozenset({"429", "503"})
_SHARED_SLUGS = ("invalid_request", "inference_failed")
_DATA_SLUGS = (
    "not_acceptable",
    "payload_too_large",
    "too_many_items",
    "unsupported_media_type",
    "queue_full",
    "not_ready",
    "shutting_down",
    "deadline_exceeded",
)
_NEEDS_A_MODEL = frozenset({"model", "attributes", "ready"})
_DESCRIPTION = (
    "Beside these routes there are BentoML's typed endpoints (`/schema.json` describes them) and "
    "the Open Inference Protocol under `/v2`. Latents in the examples have four numbers for "
    "brevity; a model has as many as `GET /v1/model` says."
)


def build(routes: Iterable[Route]) -> Document:
    """The whole document."""
    paths: dict[str, Document] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "latentserve",
            "version": __version__,
            "summary": "The latent space of a variational autoencoder.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {**COMPONENTS, "Strengths": _STRENGTHS},
            "examples": {
                slug: {"summary": f"retry: {row.retry}", "value": examples.FAILURES[slug]}
                for slug, row in ERRORS.items()
            },
            "securitySchemes": {
                _KEY: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, where the operator asks for one.",
                }
            },
        },
    }


def _operation(route: Route) -> Document:
    operation: Document = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": _headers_in() if route.data else [],
        "responses": {"200": _success(route), **_failures(route)},
    }
    if route.path not in OPEN_PATHS:
        # Not every server has keys, so no key is an alternative.
        operation["security"] = [{}, {_KEY: []}]
    if route.data:
        operation["requestBody"] = _request_body(route)
        operation["parameters"] += [
            _in_url(name, schema) for name, schema in _properties(route).items()
        ]
    return operation


def _headers_in() -> list[Document]:
    described: tuple[tuple[str, str, Schema], ...] = (
        (
            "X-Request-ID",
            "An id for logs and answers, 1 to 128 plain characters.",
            {"type": "string"},
        ),
        (
            "X-Deadline-Ms",
            "Milliseconds after which the answer is of no more use.",
            {"type": "number", "exclusiveMinimum": 0},
        ),
    )
    return [
        {"name": name, "in": "header", "description": text, "schema": schema}
        for name, text, schema in described
    ]


def _in_url(name: str, schema: Schema) -> Document:
    text = "For bodies that hold no fields; never beside the same field."
    found: Document = {"name": name, "in": "query", "description": text}
    if "$ref" in schema:  # an object, as JSON text
        return {**found, "content": {JSON: {"schema": schema}}}
    return {**found, "schema": _without_null(schema)}


def _without_null(schema: Schema) -> Schema:
    """A URL leaves out what is not given."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    kept = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    return {**choices[0], **kept}


def _properties(route: Route) -> dict[str, Schema]:
    """The parameters' schemas by name, those of strengths by reference."""
    found: dict[str, Schema] = {}
    for name, schema in route.parameters.model_json_schema().get("properties", {}).items():
        kept = {key: value for key, value in schema.items() if key != "title"}
        if name == "attributes":
            kept = {key: kept[key] for key in ("description", "default") if key in kept}
            kept = reference("Strengths", **kept)
        found[name] = kept
    return found


def _request_body(route: Route) -> Document:
    content: Document = {}
    for media_type in body_types(route.takes, raw=route.raw):
        if media_type == JSON:
            content[media_type] = {
                "schema": _json_body(route),
                "example": examples.REQUESTS[route.name],
            }
        elif media_type == MULTIPART:
            content[media_type] = {"schema": _multipart_body(route)}
        elif media_type == NPY:
            content[media_type] = {"schema": {**BINARY, "description": _npy_text(route)}}
        else:
            content[media_type] = {"schema": BINARY}
    return {"required": bool(route.takes), "content": content}


def _json_body(route: Route) -> Schema:
    fields = {name: FIELDS[name] for name in route.takes}
    if route.name == "interpolate":
        fields = {name: {**field, "minItems": 2, "maxItems": 2} for name, field in fields.items()}
    if route.takes != IMAGES | LATENTS:
        needed = ["add"] if route.takes == GROUPS else list(fields)
        return _object(route, fields, needed)
    return {"oneOf": [_object(route, {name: fields[name]}, [name]) for name in sorted(fields)]}


def _multipart_body(route: Route) -> Schema:
    """Files by field; all other fields are text: JSON where it is JSON."""
    if route.name == "interpolate":
        return _object(route, {"images": {**_FILES, "minItems": 2, "maxItems": 2}}, ["images"])
    if route.takes >= IMAGES:
        either = {"anyOf": [{"required": ["images"]}, {"required": ["image"]}]}
        return {**_object(route, {"images": _FILES, "image": _FILES}, []), **either}
    if route.takes == GROUPS:
        text = "The files of one group; further groups are `{0}[1]`, `{0}[2]` and so on."
        fields: dict[str, Schema] = {}
        for name in sorted(GROUPS):
            fields[name] = {**_FILES, "description": text.format(name)}
            fields[f"{name}[1]"] = _FILES
        return _object(route, fields, ["add"])
    return _json_body(route)


def _object(route: Route, fields: Mapping[str, Schema], needed: list[str]) -> Schema:
    """``fields`` and the route's parameters as one object."""
    properties = _properties(route)
    if "latents" in fields:
        properties.pop("detail", None)
    required = needed + route.parameters.model_json_schema().get("required", [])
    found: Schema = {
        "type": "object",
        "properties": {**{name: fields[name] for name in sorted(fields)}, **properties},
        "additionalProperties": False,
    }
    return {**found, "required": required} if required else found


def _npy_text(route: Route) -> str:
    shapes = {"images": "uint8 [N, H, W, C] or [H, W, C]", "latents": "float32 [N, L]"}
    if route.takes == GROUPS:
        return f"One group to add: {' or '.join(shapes.values())}"
    return " or ".join(shapes[name] for name in sorted(route.takes))


def _success(route: Route) -> Document:
    headers = {**_HEADERS, "X-Seed": _SEED} if route.name == "sample" else _HEADERS
    content: Document = {offer: {"schema": _answer(route, offer)} for offer in route.offers}
    plain = JSON if JSON in content else route.offers[0]
    content[plain]["example"] = examples.ANSWERS[route.name]
    return {"description": route.summary, "headers": _headers(headers), "content": content}


def _headers(described: Document) -> Document:
    return {
        name: {"description": text, "schema": {"type": kind}}
        for name, (text, kind) in described.items()
    }


def _answer(route: Route, offer: str) -> Schema:
    if offer.startswith("text/"):
        return {"type": "string"}
    if offer != JSON:
        texts = {
            NPY: "mean float32 [N, L]" if route.name == "encode" else "uint8 [N, H, W, C]",
            ZIP: "One PNG for each image.",
        }
        picture = "One image, or several as one contact sheet."
        return {**BINARY, "description": texts.get(offer, picture)}
    if not route.data:
        return schemas.STATUS if route.name in {"live", "ready"} else {"type": "object"}
    properties: Document = {"images": schemas.files()}
    required = ["images"]
    if route.name == "encode":
        text = "The log-variance about the mean; a plain autoencoder has none, nor this field."
        properties = {"mean": VECTORS, "logvar": {**VECTORS, "description": text}}
        required = ["mean"]
    elif route.name != "decode":
        properties["latents"] = VECTORS
        required.append("latents")
    if route.name == "sample":
        properties["seed"] = {"type": "integer"}
        required.append("seed")
    return {"type": "object", "properties": properties, "required": required}


def _failures(route: Route) -> Document:
    slugs = set(_SHARED_SLUGS)
    if route.path not in OPEN_PATHS:
        slugs.add("unauthenticated")
    if route.data:
        slugs.update(_DATA_SLUGS)
    if route.takes & (IMAGES | GROUPS):
        slugs.add("invalid_image")
    if route.takes:
        slugs.add("shape_mismatch")
    if "attributes" in route.parameters.model_fields:
        slugs.add("unknown_attribute")
    if route.name in _NEEDS_A_MODEL:
        slugs.add("not_ready")
    if route.name == "ready":
        slugs.add("shutting_down")
    by_status: dict[str, list[str]] = {}
    for slug, row in ERRORS.items():
        if slug in slugs:
            by_status.setdefault(str(row.http_status), []).append(slug)
    return {status: _failure(status, names) for status, names in sorted(by_status.items())}


def _failure(status: str, slugs: list[str]) -> Document:
    headers = {**_HEADERS, "Retry-After": _RETRY} if status in _TRY_LATER else _HEADERS
    if status == _UNAUTHENTICATED:
        headers = {**_HEADERS, "WWW-Authenticate": _SCHEME}
    shown = {slug: {"$ref": f"#/components/examples/{slug}"} for slug in slugs}
    content = {JSON: {"schema": reference("Error"), "examples": shown}}
    return {"description": ", ".join(slugs), "headers": _headers(headers), "content": content}

"""The OpenAPI 3.1 document, made from the table of routes and the parameter models.

routes, parameter models, error table → one document, equal on every worker and every start

It describes the wire alone: nothing of the loaded model is in it, so it can be compared with a
committed copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference.errors import ERRORS
from service import __version__
from service.inputs import MULTIPART, NPY, body_types
from service.rendering import ZIP
from service.wire import JSON

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.routes import Route

Document = dict[str, Any]
_BINARY: Document = {"type": "string", "format": "binary"}
_FIELDS: dict[str, Document] = {
    "images": {
        "type": "array",
        "minItems": 1,
        "items": {"type": "string", "contentEncoding": "base64"},
        "description": "Compressed images (PNG, JPEG, WebP, BMP, GIF) as plain base64.",
    },
    "latents": {
        "type": "array",
        "minItems": 1,
        "items": {"type": "array", "items": {"type": "number"}},
        "description": "Rows of as many numbers as the model has latent dimensions.",
    },
}
_VECTORS: Document = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
_ENVELOPE: Document = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["slug", "message", "request_id"],
            "properties": {
                "slug": {"type": "string", "enum": list(ERRORS)},
                "message": {
                    "type": "string",
                    "description": "The wrong value, the limit and the cure.",
                },
                "request_id": {"type": "string"},
                "retry_after_s": {"type": "number"},
            },
            "additionalProperties": True,
        }
    },
}
_HEADERS: Document = {
    "X-Request-ID": ("The caller's id if it sent a sane one, else a new one.", "string"),
    "X-Model-Version": ("Version of the model that answered.", "string"),
    "X-Batch-Size": ("Items of the largest micro-batch that the request rode in.", "integer"),
    "Server-Timing": ("Milliseconds in queue, compute and codec.", "string"),
}
_SHARED_SLUGS = ("inference_failed",)
_DATA_SLUGS = (
    "invalid_request",
    "not_acceptable",
    "payload_too_large",
    "too_many_items",
    "unsupported_media_type",
    "queue_full",
    "not_ready",
    "shutting_down",
    "deadline_exceeded",
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
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": {"Error": _ENVELOPE}},
    }


def _operation(route: Route) -> Document:
    operation: Document = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": _headers_in() if route.data else [],
        "responses": {"200": _success(route), **_failures(route)},
    }
    if route.data:
        operation["requestBody"] = _request_body(route)
        operation["parameters"] += [
            {
                "name": name,
                "in": "query",
                "description": "For bodies that hold no fields; never beside the same field.",
                "schema": schema,
            }
            for name, schema in _schema(route)["properties"].items()
        ]
    return operation


def _headers_in() -> list[Document]:
    described = (
        ("X-Request-ID", "An id for logs and answers, 1 to 128 plain characters.", "string"),
        ("X-Deadline-Ms", "Milliseconds after which the answer is of no more use.", "number"),
    )
    return [
        {"name": name, "in": "header", "description": text, "schema": {"type": kind}}
        for name, text, kind in described
    ]


def _schema(route: Route) -> Document:
    schema = route.parameters.model_json_schema()
    schema.pop("description", None)
    schema.setdefault("properties", {})
    return schema


def _request_body(route: Route) -> Document:
    schema = _schema(route)
    fields = {name: _FIELDS[name] for name in sorted(route.takes)}
    required = list(schema.get("required", [])) + (list(fields) if len(fields) == 1 else [])
    as_json = {
        **schema,
        "properties": {**fields, **schema["properties"]},
        **({"required": required} if required else {}),
    }
    content: Document = {}
    for media_type in body_types(route.takes):
        if media_type == JSON:
            content[media_type] = {"schema": as_json}
        elif media_type == MULTIPART:
            files = {"images": {"type": "array", "items": _BINARY}}
            parts = {name: files.get(name, part) for name, part in as_json["properties"].items()}
            content[media_type] = {"schema": {**as_json, "properties": parts}}
        elif media_type == NPY:
            text = {
                "images": "uint8 [N, H, W, C] or [H, W, C]",
                "latents": "float32 [N, L]",
            }
            shapes = " or ".join(text[name] for name in sorted(route.takes))
            content[media_type] = {"schema": {**_BINARY, "description": shapes}}
        else:
            content[media_type] = {"schema": _BINARY}
    return {"required": bool(route.takes), "content": content}


def _success(route: Route) -> Document:
    headers = dict(_HEADERS) if route.data else {"X-Request-ID": _HEADERS["X-Request-ID"]}
    if route.name == "sample":
        headers["X-Seed"] = ("The seed of these images.", "integer")
    return {
        "description": route.summary,
        "headers": {
            name: {"description": text, "schema": {"type": kind}}
            for name, (text, kind) in headers.items()
        },
        "content": {offer: {"schema": _answer(route, offer)} for offer in route.offers},
    }


def _answer(route: Route, offer: str) -> Document:
    if offer.startswith("text/"):
        return {"type": "string"}
    if offer != JSON:
        texts = {
            NPY: "mean float32 [N, L]" if route.name == "encode" else "uint8 [N, H, W, C]",
            ZIP: "One PNG for each image.",
        }
        picture = "One image, or several as one contact sheet."
        return {**_BINARY, "description": texts.get(offer, picture)}
    if not route.data:
        return {"type": "object"}
    if route.name == "encode":
        return {"type": "object", "properties": {"mean": _VECTORS, "logvar": _VECTORS}}
    properties: Document = {"images": _FIELDS["images"]}
    if route.name != "decode":
        properties["latents"] = _VECTORS
    if route.name == "sample":
        properties["seed"] = {"type": "integer"}
    return {"type": "object", "properties": properties}


def _failures(route: Route) -> Document:
    slugs = set(_SHARED_SLUGS)
    if route.data:
        slugs.update(_DATA_SLUGS)
    if "images" in route.takes:
        slugs.add("invalid_image")
    if route.takes:
        slugs.add("shape_mismatch")
    if "attributes" in route.parameters.model_fields:
        slugs.add("unknown_attribute")
    if route.name == "ready":
        slugs.update(("not_ready", "shutting_down"))
    by_status: dict[str, list[str]] = {}
    for slug, row in ERRORS.items():
        if slug in slugs:
            by_status.setdefault(str(row.http_status), []).append(slug)
    schema = {"$ref": "#/components/schemas/Error"}
    return {
        status: {"description": ", ".join(names), "content": {JSON: {"schema": schema}}}
        for status, names in sorted(by_status.items())
    }

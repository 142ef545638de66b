"""Examples for the OpenAPI document: a request and an answer of each route, and each failure.

operation's name → request as JSON, answer as JSON;  slug → envelope

They are short: a picture of four pixels, latents of four numbers. A contract test sends every
request to a model of four latents and holds every answer against its schema.
"""

from __future__ import annotations

from typing import Any

PIXEL_ART = (
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4AWO6t6ckx9uGyaNof/7MTQAsHAY59ltt"
    "+AAAAABJRU5ErkJggg=="
)
_LATENT = [0.31, -1.2, 0.05, 0.84]
_OTHER = [-0.47, 0.9, 1.13, -0.2]

REQUESTS: dict[str, dict[str, Any]] = {
    "encode": {"images": [PIXEL_ART]},
    "decode": {"latents": [_LATENT, _OTHER], "columns": 2},
    "sample": {"n": 4, "seed": 7, "temperature": 0.8, "attributes": {"smile": 1}},
    "shift": {
        "images": [PIXEL_ART],
        "attributes": {"glasses": 1, "smile": -0.5},
        "detail": True,
    },
    "reconstruct": {"images": [PIXEL_ART]},
    "interpolate": {"latents": [_LATENT, _OTHER], "steps": 5, "path": "spherical"},
    "arithmetic": {"add": [[PIXEL_ART, PIXEL_ART], [_LATENT]], "subtract": [[_OTHER]]},
}
"""Bodies as JSON."""

_ATTRIBUTE = {
    "name": "glasses",
    "row": 0,
    "unit": "distance between the means of the two groups",
    "positives": 9012,
    "negatives": 17975,
    "direction": "ridge",
    "scale": 1.0,
    "useful_range": [-1.5, 1.5],
    "quality": {"flip": 0.97},
}
ANSWERS: dict[str, Any] = {
    "encode": {"mean": [_LATENT], "logvar": [[-3.1, -2.8, -4.0, -3.3]]},
    "decode": {"images": [PIXEL_ART, PIXEL_ART]},
    "sample": {"images": [PIXEL_ART], "latents": [_LATENT], "seed": 7},
    "shift": {"images": [PIXEL_ART], "latents": [_LATENT]},
    "reconstruct": {"images": [PIXEL_ART], "latents": [_LATENT]},
    "interpolate": {"images": [PIXEL_ART, PIXEL_ART], "latents": [_LATENT, _OTHER]},
    "arithmetic": {"images": [PIXEL_ART], "latents": [_LATENT]},
    "model": {
        "name": "faces-64",
        "version": "1",
        "image": {"height": 64, "width": 64, "channels": 3, "resize": "box", "crop": "centre"},
        "latent": {"dimension": 128, "encode_returns": "mean"},
        "variational": True,
        "attributes": ["glasses", "smile"],
        "providers": ["CPUExecutionProvider"],
        "limits": {"max_items": 256, "max_image_pixels": 16000000, "deadline_ms": 30000.0},
    },
    "attributes": {"attributes": [_ATTRIBUTE]},
    "live": {"status": "live"},
    "ready": {"status": "ready"},
    "metrics": "# TYPE latentserve_ready gauge\nlatentserve_ready 1.0\n",
    "openapi_json": {"openapi": "3.1.0", "info": {"title": "latentserve"}},
    "docs": "<!doctype html><html lang=en><title>latentserve: routes</title></html>",
    "index": "<!doctype html><html lang=en><title>latentserve</title></html>",
}
"""Answers as JSON or, where a route has none, as text."""

_MESSAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "invalid_request": ("steps is 1, but must be an integer from 2: both ends count", {}),
    "invalid_image": (
        "image 0: the image has 40.1 megapixels (8000 × 5012), the limit is 16; shrink it, or ask "
        "the operator to raise `max_image_pixels`",
        {"width": 8000, "height": 5012, "limit": 16000000, "where": "image 0"},
    ),
    "unauthenticated": (
        "no known API key came with the request; send one as `Authorization: Bearer <key>` (gRPC: "
        "in the metadata `authorization`), or ask the operator for one",
        {},
    ),
    "unknown_attribute": (
        "no attribute 'glases' in this model; did you mean 'glasses'? its attributes are: glasses, "
        "smile",
        {"attribute": "glases", "nearest": ["glasses"], "attributes": ["glasses", "smile"]},
    ),
    "model_not_found": ("no model 'faces' is served here; there are: encoder, decoder", {}),
    "route_not_found": (
        "there is no path '/v1/encod'; did you mean /v1/encode? `GET /docs` lists all",
        {"near": ["/v1/encode"]},
    ),
    "method_not_allowed": (
        "/v1/encode answers POST, not GET; use one of these",
        {"allow": ["POST"]},
    ),
    "not_acceptable": (
        "Accept is 'text/html', but this route answers application/json, application/x-npy; ask "
        "for one of these",
        {"offers": ["application/json", "application/x-npy"]},
    ),
    "payload_too_large": (
        "the body has 41943040 bytes, the limit is 33554432 bytes; send smaller or fewer images, "
        "or ask the operator to raise `max_body_bytes`",
        {},
    ),
    "too_many_items": (
        "the request has 300 images, the limit is 256; send them in several requests, or ask the "
        "operator to raise `max_items`",
        {"limit": 256},
    ),
    "unsupported_media_type": (
        "Content-Type is 'text/plain', but this route reads application/json, multipart/form-data; "
        "name the body's own type",
        {"readable": ["application/json", "multipart/form-data"]},
    ),
    "shape_mismatch": (
        "latents row 0 has 4 values, but this model takes 128; `GET /v1/model` shows its latent "
        "dimension",
        {"expected": [-1, 128], "row": 0},
    ),
    "queue_full": (
        "512 items wait and this request brings 16 more, but the limit is 512 (max_queue_size); "
        "try again in 0.42 s, or send less at once",
        {"retry_after_s": 0.42},
    ),
    "inference_failed": (
        "the server failed on this request; give the operator its id, 5f0c9a3be1d24478",
        {},
    ),
    "not_ready": (
        "the model is warming up; try again in a moment",
        {"retry_after_s": 1.0},
    ),
    "shutting_down": (
        "this server is shutting down; send the request to another",
        {"retry_after_s": 5.0},
    ),
    "deadline_exceeded": (
        "no answer within 200 ms; ask for less, or allow more by X-Deadline-Ms (at most 30000)",
        {},
    ),
}
FAILURES: dict[str, dict[str, Any]] = {
    slug: {"error": {"slug": slug, "message": message, "request_id": "5f0c9a3be1d24478", **details}}
    for slug, (message, details) in _MESSAGES.items()
}
"""One envelope for each slug of the error table."""

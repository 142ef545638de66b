"""JSON schemas of what goes over the wire, for the OpenAPI document.

words of the wire → schemas by name; `reference` → {"$ref": …} to one of them

What depends on the loaded model (the number of latents, the attributes' names) is open here:
`GET /v1/model` tells it.
"""

from __future__ import annotations

from typing import Any

from inference.arrays import MAX_LATENT
from inference.errors import ERRORS

Schema = dict[str, Any]

BINARY: Schema = {"type": "string", "format": "binary"}
IMAGE: Schema = {
    "type": "string",
    "format": "byte",
    "contentEncoding": "base64",
    "description": "A PNG, JPEG, WebP, BMP or GIF file as plain base64.",
}
LATENT: Schema = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "number", "minimum": -MAX_LATENT, "maximum": MAX_LATENT},
    "description": "As many numbers as the model has latent dimensions (`GET /v1/model`).",
}
VECTORS: Schema = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
ERROR: Schema = {
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
STATUS: Schema = {"type": "object", "required": ["status"], "properties": {"status": {}}}


def reference(name: str, **more: object) -> Schema:
    """A reference to the schema ``name`` of the document's components."""
    return {"$ref": f"#/components/schemas/{name}", **more}


def rows(**more: object) -> Schema:
    """One or more latents."""
    return {"type": "array", "minItems": 1, "items": reference("Latent"), **more}


def files(**more: object) -> Schema:
    """One or more images as base64."""
    return {"type": "array", "minItems": 1, "items": reference("Image"), **more}


def groups(description: str, *, at_least: int) -> Schema:
    """Lists of groups of images or latents."""
    return {
        "type": "array",
        "minItems": at_least,
        "items": {"oneOf": [files(), rows()]},
        "description": description,
    }


FIELDS: dict[str, Schema] = {
    "images": files(description="The images."),
    "latents": rows(description="The latents."),
    "add": groups("Groups whose means are added.", at_least=1),
    "subtract": groups("Groups whose means are subtracted.", at_least=0),
}
"""What a route takes beside its parameters, as JSON."""
COMPONENTS: dict[str, Schema] = {"Error": ERROR, "Image": IMAGE, "Latent": LATENT}

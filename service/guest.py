"""The application behind ours, whose paths stand beside our own: BentoML's typed endpoints.

ASGI messages that it sent → Reply; its own kind of failure → the JSON envelope

Knows the shapes that BentoML gives a failure: a list, an object with details, or bare text.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from inference.errors import ERRORS, InferenceFailed, InvalidRequest
from service.rendering import json_bytes
from service.wire import JSON, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Message

    from inference.call import Call

VISIT: ContextVar[Visit] = ContextVar("VISIT")
"""The request that the application answers now."""
_SHOWN_CHARACTERS = 1000
_ENVELOPE_START = b'{"error":{"slug"'


@dataclass(slots=True)
class Visit:
    """One request on its way through the application.

    Attributes:
        call: The data plane's context of it.
        arrived: Whether the endpoint's own code was reached, thus the body could be read.
    """

    call: Call
    arrived: bool = False


class Hosted(NamedTuple):
    """The application behind ours.

    Attributes:
        app: Answers its paths, and the lifespan events.
        methods: The method of each of its paths.
    """

    app: ASGIApp
    methods: Mapping[str, str]


def reply(messages: Sequence[Message], visit: Visit) -> Reply:
    """What the application sent, its failures in our envelope."""
    start = messages[0]
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]
    }
    headers.pop("content-length", None)
    media_type = headers.pop("content-type", JSON)
    body = b"".join(message.get("body", b"") for message in messages[1:])
    status = int(start["status"])
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and not visit.arrived:
        # BentoML stumbles over some bodies (no boundary, integers beyond a float) with a 500.
        raise InvalidRequest(
            "the body cannot be read as this endpoint's arguments; `GET /schema.json` describes "
            "them, and the routes under /v1 say what is wrong"
        )
    if status < HTTPStatus.BAD_REQUEST or body.startswith(_ENVELOPE_START):
        return Reply(body, media_type, status, headers)
    rows = (row for row in ERRORS.values() if row.http_status == status)
    slug = next(rows, ERRORS[InferenceFailed.slug]).slug
    message, number = _message(status, body), visit.call.request_id
    envelope = {"slug": slug, "message": message, "request_id": number}
    return Reply(json_bytes({"error": envelope}), status=status)


def slug(reply: Reply) -> str:
    """The slug of an answer of `reply`: that of its envelope, or ``ok``."""
    if reply.status < HTTPStatus.BAD_REQUEST:
        return "ok"
    return str(orjson.loads(reply.body)["error"]["slug"])


def _message(status: int, body: bytes) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "the server failed on this request; give the operator its id"
    text = body.decode("utf-8", "replace")
    try:
        found: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return text[:_SHOWN_CHARACTERS]
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return text[:_SHOWN_CHARACTERS]
    details = [
        f"{'.'.join(map(str, detail.get('loc', ())))}: {detail.get('msg', '')}"
        for detail in found.get("detail", ())
        if isinstance(detail, dict)
    ]
    return "; ".join([str(found.get("error", text)), *details])[:_SHOWN_CHARACTERS]

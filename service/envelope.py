"""Failures as answers: every exception becomes the one JSON envelope.

exception → slug, message, details → {"error": {...}} with its status and Retry-After
                    under /v2 flat: {"error": message, "slug": …}, as its clients read it

A server fault is logged with its traceback and shows the caller its request id, nothing else.
"""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import NamedTuple

from inference.errors import InferenceFailed, MethodNotAllowed, ServingError, Unauthenticated
from service.rendering import json_bytes
from service.wire import Reply

logger = logging.getLogger("latentserve")


class Failure(NamedTuple):
    """A failure's answer, and its slug for the metrics."""

    reply: Reply
    slug: str


def told(error: Exception, request_id: str) -> ServingError:
    """What the client is told of ``error``; a server's fault is logged and shows the id alone."""
    if isinstance(error, ServingError) and error.http_status != HTTPStatus.INTERNAL_SERVER_ERROR:
        return error
    logger.error("request %s failed", request_id, exc_info=error)
    return InferenceFailed(
        f"the server failed on this request; give the operator its id, {request_id}"
    )


def failure(error: Exception, request_id: str, *, flat: bool = False) -> Failure:
    """The answer to a request that ended with ``error``.

    Args:
        error: Whatever was raised.
        request_id: Of the request.
        flat: Whether "error" is the message itself and the other fields stand beside it, which is
            the form of the Open Inference Protocol.
    """
    error = told(error, request_id)
    envelope = {
        "slug": error.slug,
        "message": error.message,
        "request_id": request_id,
        **error.details,
    }
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        envelope["retry_after_s"] = error.retry_after_s
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(_texts(error.details.get("allow")))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    document: dict[str, object] = {"error": envelope}
    if flat:
        document = {"error": envelope.pop("message"), **envelope}
    reply = Reply(_readable(document), status=error.http_status, headers=headers)
    return Failure(reply, error.slug)


def _readable(document: dict[str, object]) -> bytes:
    """JSON of a failure, which may quote what no JSON can hold: half characters, huge numbers."""
    try:
        return json_bytes(document)
    except TypeError:
        return json_bytes(_texts_only(document))


def _texts_only(document: dict[str, object]) -> dict[str, object]:
    return {
        name: _texts_only(value)
        if isinstance(value, dict)
        else str(value).encode("utf-8", "backslashreplace").decode()
        for name, value in document.items()
        if isinstance(value, str | float | dict)
    }


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []

"""Failures as answers: every exception becomes the one JSON envelope.

exception → slug, message, details → {"error": {...}} with its status and Retry-After

A server fault is logged with its traceback and shows the caller its request id, nothing else.
"""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import NamedTuple

from inference.errors import InferenceFailed, MethodNotAllowed, ServingError
from service.rendering import json_bytes
from service.wire import Reply

logger = logging.getLogger("latentserve")


class Failure(NamedTuple):
    """A failure's answer, and its slug for the metrics."""

    reply: Reply
    slug: str


def failure(error: Exception, request_id: str) -> Failure:
    """The answer to a request that ended with ``error``."""
    if not isinstance(error, ServingError) or error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request %s failed", request_id, exc_info=error)
        error = InferenceFailed(
            f"the server failed on this request; give the operator its id, {request_id}"
        )
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
    reply = Reply(_readable(envelope), status=error.http_status, headers=headers)
    return Failure(reply, error.slug)


def _readable(envelope: dict[str, object]) -> bytes:
    """JSON of an envelope, which may quote what no JSON can hold: half characters, huge numbers."""
    try:
        return json_bytes({"error": envelope})
    except TypeError:
        texts = {
            name: str(value).encode("utf-8", "backslashreplace").decode()
            for name, value in envelope.items()
            if isinstance(value, str | float)
        }
        return json_bytes({"error": texts})


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []

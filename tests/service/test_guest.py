"""What BentoML answers, and its failures in our envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from inference.call import Call
from service import guest

if TYPE_CHECKING:
    from service.wire import Reply


def answered(status: int, *chunks: bytes) -> Reply:
    headers = [(b"Content-Type", b"application/json"), (b"content-length", b"9"), (b"Server", b"B")]
    start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": headers}
    visit = guest.Visit(Call(request_id="r1"), arrived=True)
    return guest.reply([start, *({"body": chunk} for chunk in chunks)], visit)


def test_an_answer_is_kept_but_for_its_length() -> None:
    reply = answered(200, b"[1", b"]", b"")
    assert (reply.body, reply.status, reply.media_type) == (b"[1]", 200, "application/json")
    assert reply.headers == {"server": "B"}


def test_an_envelope_is_kept() -> None:
    body = b'{"error":{"slug":"queue_full"}}'
    assert answered(429, body).body == body


@pytest.mark.parametrize(
    ("status", "body", "slug", "message"),
    [
        (415, b'[{"error":"no pickle"}]', "unsupported_media_type", "no pickle"),
        (400, b"bad", "invalid_request", "bad"),
        (400, b"[]", "invalid_request", "[]"),
        (418, b"tea", "inference_failed", "tea"),
        (
            400,
            b'{"error":"1 validation error","detail":[{"loc":["n"],"msg":"too small"}]}',
            "invalid_request",
            "1 validation error; n: too small",
        ),
        (500, b"Traceback", "inference_failed", "the server failed on this request"),
    ],
)
def test_a_failure_is_put_in_the_envelope(
    status: int, body: bytes, slug: str, message: str
) -> None:
    reply = answered(status, body)
    error = orjson.loads(reply.body)["error"]
    assert reply.status == status
    assert error["slug"] == slug
    assert error["message"].startswith(message)
    assert error["request_id"] == "r1"
    assert guest.slug(reply) == slug


def test_an_answer_counts_as_well() -> None:
    assert guest.slug(answered(200, b"[1]")) == "ok"

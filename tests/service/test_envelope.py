"""Every exception becomes the envelope; a server fault shows nothing of the inside."""

from __future__ import annotations

import logging

import orjson
import pytest

from inference import errors
from inference.errors import UnknownAttribute
from service.envelope import failure


def test_a_client_fault_carries_message_and_details() -> None:
    error = errors.UnknownAttribute("no 'smle'", details={"nearest": ["smile"]})
    reply, slug = failure(error, "r1")
    assert (reply.status, slug) == (404, "unknown_attribute")
    assert orjson.loads(reply.body) == {
        "error": {
            "slug": "unknown_attribute",
            "message": "no 'smle'",
            "request_id": "r1",
            "nearest": ["smile"],
        }
    }


@pytest.mark.parametrize(("seconds", "header"), [(0.01, "1"), (1.0, "1"), (1.2, "2")])
def test_a_shed_request_is_told_when_to_come_back(seconds: float, header: str) -> None:
    reply, _ = failure(errors.QueueFull("full", retry_after_s=seconds), "r")
    assert reply.status == 429
    assert reply.headers["Retry-After"] == header
    assert orjson.loads(reply.body)["error"]["retry_after_s"] == seconds


def test_a_wrong_method_brings_allow() -> None:
    reply, _ = failure(errors.MethodNotAllowed("no", details={"allow": ["GET", "HEAD"]}), "r")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "error", [RuntimeError("secret path"), errors.InferenceFailed("secret path")]
)
def test_a_server_fault_is_logged_and_not_shown(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "latentserve"):
        reply, slug = failure(error, "r9")
    assert (reply.status, slug) == (500, "inference_failed")
    assert b"r9" in reply.body
    assert b"secret" not in reply.body
    assert "r9" in caplog.text
    assert "secret path" in caplog.text


def test_what_json_cannot_hold_is_quoted_all_the_same() -> None:
    error = UnknownAttribute("no attribute '\ud800'", details={"got": [10**30], "nearest": []})
    answer = failure(error, "r1").reply
    assert answer.status == 404
    envelope = orjson.loads(answer.body)["error"]
    assert envelope == {
        "slug": "unknown_attribute",
        "message": r"no attribute '\ud800'",
        "request_id": "r1",
    }

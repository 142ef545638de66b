"""Peers, and what goes with an answer beside its message."""

from __future__ import annotations

import pytest

from inference.call import Call
from inference.errors import InvalidRequest, QueueFull
from service.grpc_metadata import caller_of, failure_metadata, reply_metadata, shown


@pytest.mark.parametrize(
    ("peer", "caller"),
    [
        ("ipv4:127.0.0.1:50123", "127.0.0.1"),
        ("ipv6:%5B::1%5D:50123", "::1"),
        ("ipv6:[fe80::1]:7", "fe80::1"),
        ("unix:/run/a.sock", "anonymous"),
        ("", "anonymous"),
        ("ipv4:", "anonymous"),
    ],
)
def test_a_caller_is_its_address(peer: str, caller: str) -> None:
    assert caller_of(peer) == caller


def test_the_facts_that_http_gives_as_headers() -> None:
    call = Call(request_id="r", queue_s=0.001, compute_s=0.0025, batch_size=4)
    assert reply_metadata(call, None) == (("x-request-id", "r"),)
    assert dict(reply_metadata(call, "3", data=True)) == {
        "x-request-id": "r",
        "x-model-version": "3",
        "x-batch-size": "4",
        "server-timing": "queue;dur=1.000, compute;dur=2.500, codec;dur=0.000",
    }


def test_a_failure_says_when_to_come_back() -> None:
    assert failure_metadata(InvalidRequest("no")) == (("x-error-slug", "invalid_request"),)
    assert dict(failure_metadata(QueueFull("full", retry_after_s=0.25))) == {
        "x-error-slug": "queue_full",
        "retry-after": "1",
        "grpc-retry-pushback-ms": "250",
    }


def test_a_message_fits_a_header() -> None:
    assert shown(InvalidRequest("× – \ud800")) == "× – \\ud800"
    assert len(shown(InvalidRequest("x" * 10_000))) < 2000

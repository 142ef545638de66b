"""The plan: right requests with right answers, and a server that is wrong from the start."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from loadtests.checks import WrongAnswer
from loadtests.client import ServerError, fetch, request, wait_ready
from loadtests.examples import Examples, prepare
from tests.support.wire_server import wire_server

PATHS = ("/v1/encode", "/v1/decode", "/v1/sample", "/v1/shift")


def test_examples_cover_four_endpoints_and_survive_the_file() -> None:
    with wire_server() as host:
        examples = prepare(host, 5)
    assert Counter(example.path for example in examples.examples) == dict.fromkeys(PATHS, 5)
    assert Examples.from_json(examples.to_json()) == examples
    assert examples.model.attributes == ("bright",)
    kinds = {example.headers["Content-Type"] for example in examples.of("/v1/encode")}
    assert kinds == {"image/png", "image/jpeg"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [("other pixels", "differs by 50"), ("cut", "no whole PNG"), ("not finite", "not finite")],
)
def test_a_wrong_server_is_not_even_loaded(fault: str, message: str) -> None:
    with wire_server(fault) as host:
        fetch(host, "GET", "/metrics")
        with pytest.raises(WrongAnswer, match=message):
            prepare(host, 2)


def test_an_error_is_shown_with_its_answer() -> None:
    with wire_server("error") as host:
        fetch(host, "GET", "/metrics")
        with pytest.raises(ServerError, match=r"POST http.*/v1/sample gave 500: .*broken"):
            prepare(host, 2)


def test_addresses_are_checked_and_silence_is_reported() -> None:
    with pytest.raises(ServerError, match="no address"):
        request("localhost:3000", "GET", "/")
    with wire_server() as host:
        assert json.loads(fetch(host + "/", "GET", "/readyz").body) == {}
    with pytest.raises(ServerError, match="/readyz"):
        wait_ready(host, 0.3)

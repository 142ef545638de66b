"""The plan: right requests with right answers, and a server that is wrong from the start."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import loadtests.examples
from loadtests.access import Target
from loadtests.checks import WrongAnswer
from loadtests.client import ServerError, fetch, request, wait_ready
from loadtests.examples import Examples, prepare
from loadtests.mixes import tasks
from loadtests.plan import Plan
from loadtests.shapes import phases
from loadtests.wires import as_json
from tests.support.wire_server import wire_server

if TYPE_CHECKING:
    from loadtests.questions import Question
    from loadtests.wires import Wire

TASKS = tasks("mixed", ("http",))
NAMES = ("http shift", "http encode", "http decode", "http sample")


def test_examples_cover_the_mix_and_survive_the_file() -> None:
    with wire_server() as host:
        examples = prepare(Target(host, "x:1"), TASKS, 5)
    assert Counter(example.name for example in examples.examples) == dict.fromkeys(NAMES, 5)
    assert Examples.from_json(examples.to_json()) == examples
    assert examples.model.attributes == ("bright",)
    kinds = {example.headers["Content-Type"] for example in examples.of("http encode")}
    assert kinds == {"image/png", "image/jpeg"}
    assert [example.exact for example in examples.of("http sample")] == [True] * 5
    plan = Plan(host, "x:1", TASKS, phases("spike", 2, 9), 50.0, examples)
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.seconds == 9


@pytest.mark.parametrize(
    ("fault", "message"),
    [("other pixels", "differs by 50"), ("cut", "no whole PNG"), ("not finite", "not finite")],
)
def test_a_wrong_server_is_not_even_loaded(fault: str, message: str) -> None:
    with wire_server(fault) as host:
        fetch(host, "GET", "/metrics")
        with pytest.raises(WrongAnswer, match=message):
            prepare(Target(host, "x:1"), TASKS, 2)


def test_an_answer_must_be_that_of_plain_json(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(question: Question) -> Wire:
        """Ask in JSON for a sample of another seed."""
        if question.parameters.get("n") == 1:
            question = replace(question, parameters={"n": 1, "seed": 7})
        return as_json(question)

    monkeypatch.setattr(loadtests.examples, "as_json", other)
    with wire_server() as host, pytest.raises(WrongAnswer, match="levels from the same in JSON"):
        prepare(Target(host, "x:1"), TASKS, 2)


def test_an_error_is_shown_with_its_answer() -> None:
    with wire_server("error") as host:
        fetch(host, "GET", "/metrics")
        with pytest.raises(ServerError, match=r"POST http.*/v1/sample gave 500: .*broken"):
            prepare(Target(host, "x:1"), TASKS, 2)


def test_addresses_are_checked_and_silence_is_reported() -> None:
    with pytest.raises(ServerError, match="no address"):
        request("localhost:3000", "GET", "/")
    with wire_server() as host:
        assert json.loads(fetch(host + "/", "GET", "/readyz").body) == {}
    with pytest.raises(ServerError, match="/readyz"):
        wait_ready(host, 0.3)

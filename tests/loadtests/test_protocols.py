"""Every operation over every protocol against a real server, and each wrong answer to it seen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from loadtests.access import Target
from loadtests.answers import is_facts, read
from loadtests.checks import WrongAnswer
from loadtests.client import ServerError
from loadtests.examples import Examples, prepare
from loadtests.mixes import OPERATIONS, PROTOCOLS, tasks
from loadtests.rpc import ask, describe
from tests.support.server import running
from tests.support.tampering import tamper
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Generator

EVERY = tasks("every", PROTOCOLS)
NAMES = [f"{protocol} {name}" for protocol, weights in EVERY.items() for name in weights]
COUNT = 4


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Generator[Target]:
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("load") / "tiny")
    with running(bundle, "--device", "cpu", "--max-items", "16") as server:
        yield Target(server.url, server.grpc)


@pytest.fixture(scope="module")
def examples(target: Target) -> Examples:
    return prepare(target, EVERY, COUNT)


def test_there_are_examples_of_everything(examples: Examples) -> None:
    counted = Counter(example.name for example in examples.examples)
    assert set(counted) == set(NAMES)
    assert {name for name, count in counted.items() if count == 1} == {
        name for name in NAMES if name.endswith((" model", " attributes"))
    }
    assert Examples.from_json(examples.to_json()) == examples
    for example in examples.examples:
        examples.check(example, example.alone)


def test_all_protocols_have_the_same_answer(examples: Examples) -> None:
    for operation, protocols in OPERATIONS.items():
        found = [
            read(example.form, example.alone, examples.model, examples.messages)
            for protocol in protocols
            for example in examples.of(f"{protocol} {operation}")[:1]
            if not is_facts(example.form)
        ]
        for name in {name for arrays in found for name in arrays}:
            same = [arrays[name] for arrays in found if name in arrays]
            assert all(np.allclose(array, same[0], atol=1e-5) for array in same)


def test_bulk_has_no_more_than_the_server_takes(examples: Examples) -> None:
    for name in (name for name in NAMES if name.endswith("-bulk")):
        example = examples.of(name)[0]
        arrays = read(example.form, example.alone, examples.model, examples.messages)
        assert {len(array) for array in arrays.values()} == {16}


@pytest.mark.parametrize("name", NAMES)
def test_another_answer_is_seen(examples: Examples, name: str) -> None:
    example = examples.of(name)[-1]
    wrong = tamper(example, examples.messages)
    assert wrong != example.alone
    with pytest.raises(WrongAnswer, match=r"grey levels|the mean differs|same seed|other facts"):
        examples.check(example, wrong)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith(" model")])
def test_half_an_answer_is_seen(examples: Examples, name: str) -> None:
    example = examples.of(name)[-1]
    for part in (b"", example.alone[: len(example.alone) // 2], b"<html>"):
        with pytest.raises(WrongAnswer):
            examples.check(example, part)


def test_what_the_server_does_not_describe_is_reported(target: Target) -> None:
    with pytest.raises(ServerError, match=r"does not describe no\.such\.Service: "):
        describe(target, ["no.such.Service"])
    with pytest.raises(ServerError, match=r"Latents/Encode ended with INVALID_ARG"):
        ask(target, "/latentserve.v1.Latents/Encode", b"")
    silent = Target(target.host, "127.0.0.1:1")
    with pytest.raises(ServerError, match=r"reflection of 127\.0\.0\.1:1: UNAVAILABLE"):
        describe(silent, ["latentserve.v1.Latents"])

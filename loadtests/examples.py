"""The requests of the load test, each with the answer that it got alone.

    server → /v1/model, /v1/sample → Material → K questions for each operation of each protocol
           → each asked once, and once in plain JSON → Examples → JSON → who makes the load

1. Every answer kept here was looked at in full, and is that of the plain JSON form of the same
   question: whatever the protocol, the engine's answer is one.
2. The endpoints agree with each other: decode of a sample's latent is the sample, and a shift
   by 0 is decode of encode.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from loadtests import rpc
from loadtests.answers import is_facts, read, read_facts
from loadtests.checks import ModelFacts, WrongAnswer, compare
from loadtests.client import fetch
from loadtests.messages import Messages
from loadtests.questions import SEED, Material, Question
from loadtests.wires import SERVICES, Wire, as_json, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.access import Target
    from loadtests.answers import Arrays
    from loadtests.mixes import Protocol, Tasks

MAX_BULK = 4
"""Examples of an operation whose requests and answers are large."""


@dataclass(frozen=True)
class Example:
    """One request and its right answer.

    Attributes:
        name: Protocol and operation; also its name in the report.
        method: Of HTTP; empty for gRPC.
        path: Of HTTP, or of the gRPC method.
        headers: Of the request, without the API key.
        body: Of the request.
        form: How the answer is read.
        exact: Whether every answer has the same bytes.
        alone: The answer when nothing else ran.
    """

    name: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    form: str
    exact: bool
    alone: bytes


@dataclass(frozen=True)
class Examples:
    """The model's facts, its messages, and every request that the load consists of."""

    model: ModelFacts
    examples: tuple[Example, ...]
    described: bytes = b""

    @cached_property
    def messages(self) -> Messages:
        """The server's messages, for gRPC."""
        return Messages(self.described)

    def of(self, name: str) -> tuple[Example, ...]:
        """The examples of one operation of one protocol."""
        return tuple(example for example in self.examples if example.name == name)

    def check(self, example: Example, body: bytes) -> None:
        """Hold an answer against the one that the same request got alone.

        That one was looked at in full when it was made, so equal bytes are right at once: the
        check must not take the processor from the server that it measures.

        Raises:
            WrongAnswer: It is not a right answer, or another one than alone.
        """
        if body == example.alone:
            return
        if is_facts(example.form):
            facts = [read_facts(example.form, b, self.messages) for b in (body, example.alone)]
            if facts[0] != facts[1]:
                raise WrongAnswer("other facts than before the load")
            return
        found = read(example.form, body, self.model, self.messages)
        if example.exact:
            raise WrongAnswer("the same seed gave other bytes than alone")
        wanted = read(example.form, example.alone, self.model, self.messages)
        if found.keys() != wanted.keys():
            raise WrongAnswer(f"has {', '.join(found)}; alone it had {', '.join(wanted)}")
        compare(found, wanted, "the same request made alone")

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        rows = [
            {**asdict(e), "body": _text(e.body), "alone": _text(e.alone)} for e in self.examples
        ]
        return json.dumps(
            {"model": asdict(self.model), "examples": rows, "described": _text(self.described)}
        )

    @classmethod
    def from_json(cls, text: str) -> Examples:
        """The examples that `to_json` wrote."""
        document: dict[str, Any] = json.loads(text)
        facts = document["model"]
        model = ModelFacts(**{**facts, "attributes": tuple(facts["attributes"])})
        rows = [
            Example(**{**row, "body": _bytes(row["body"]), "alone": _bytes(row["alone"])})
            for row in document["examples"]
        ]
        return cls(model, tuple(rows), _bytes(document["described"]))


def name_of(protocol: Protocol, operation: str) -> str:
    """The name of an operation of a protocol in reports."""
    return f"{protocol} {operation}"


def prepare(target: Target, tasks: Tasks, count: int) -> Examples:
    """Make ``count`` examples for each operation of ``tasks`` (fewer large ones), and check them.

    Raises:
        ServerError: A request failed.
        WrongAnswer: An answer is wrong although nothing else ran.
    """
    model = ModelFacts.from_answer(
        fetch(target.host, "GET", "/v1/model", access=target.access).body
    )
    services = [service for protocol, service in SERVICES.items() if protocol in tasks]
    described = rpc.describe(target, services) if services else b""
    asker = _Asker(target, model, Messages(described), _draw(target, model, count))
    examples = [
        asker.example(protocol, operation, place)
        for protocol, weights in tasks.items()
        for operation in weights
        for place in range(_count(operation, count))
    ]
    return Examples(model, tuple(examples), described)


def _count(operation: str, count: int) -> int:
    if operation in {"model", "attributes"}:
        return 1
    return min(count, MAX_BULK) if operation.endswith("-bulk") else count


def _draw(target: Target, model: ModelFacts, count: int) -> Material:
    """Ask the model for pictures and their latents."""
    question = Question("sample", parameters={"n": count, "seed": SEED})
    body = _ask(target, as_json(question))
    drawn = read("json", body, model, Messages(b""))
    if not {"image", "latent"} <= drawn.keys() or len(drawn["image"]) != count:
        raise WrongAnswer(f"asked for {count} samples with their latents, got {', '.join(drawn)}")
    files = tuple(base64.b64decode(text) for text in json.loads(body)["images"])
    return Material(model, files, drawn["image"], drawn["latent"].astype(np.float32))


@dataclass(frozen=True)
class _Asker:
    target: Target
    model: ModelFacts
    messages: Messages
    material: Material
    asked: dict[bytes, Arrays] = field(default_factory=dict)

    def example(self, protocol: Protocol, operation: str, place: int) -> Example:
        photos = not protocol.startswith("oip")
        question = self.material.question(operation, place, photos=photos)
        wire = write(protocol, operation, question, self.model, self.messages)
        alone = _ask(self.target, wire)
        if is_facts(wire.form):
            read_facts(wire.form, alone, self.messages)
        else:
            found = read(wire.form, alone, self.model, self.messages)
            self._check(question, found, place)
        exact = operation == "sample"
        return Example(name_of(protocol, operation), *wire, exact=exact, alone=alone)

    def _check(self, question: Question, found: Arrays, place: int) -> None:
        if question.route == "decode":
            rows = (place + np.arange(len(found["image"]))) % len(self.material.pixels)
            drawn = {"image": self.material.pixels[rows]}
            compare(found, drawn, "the sample that the latent is of")
        compare(found, self._plain(question), "the same in JSON")
        if question.route == "shift" and not any(question.parameters["attributes"].values()):
            latents = question.latents
            if latents is None:
                encoded = self._plain(Question("encode", question.files))
                latents = encoded["mean"].astype(np.float32)
            same = self._plain(Question("decode", latents=latents))
            compare(found, same, "what the unshifted latent decodes to")

    def _plain(self, question: Question) -> Arrays:
        wire = as_json(question)
        key = wire.path.encode() + wire.body
        if key not in self.asked:
            answer = _ask(self.target, wire)
            self.asked[key] = read(wire.form, answer, self.model, self.messages)
        return self.asked[key]


def _ask(target: Target, wire: Wire) -> bytes:
    if not wire.method:
        return rpc.ask(target, wire.path, wire.body)
    answer = fetch(
        target.host, wire.method, wire.path, wire.body, wire.headers, access=target.access
    )
    return answer.body


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)

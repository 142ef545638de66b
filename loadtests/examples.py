"""The requests of the load test, each with the answer that it got alone.

    server → /v1/model → /v1/sample: pictures, latents → K requests for each endpoint, made once
           → Examples → JSON file → the process that makes the load

1. Every answer kept here was looked at in full: content, size, and agreement between endpoints
   (decode of a sample's latent is the sample; a shift of 0 is decode of encode).
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from loadtests.checks import (
    GREY_LEVELS,
    Kind,
    ModelFacts,
    WrongAnswer,
    check_close,
    read_picture,
    read_rows,
)
from loadtests.client import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PHOTO_SIDE = 256
SEED = 20_000
STRENGTHS = (1.0, 0.0, -1.0, 0.5)
_JSON = {"Content-Type": "application/json"}
_BOUNDARY = "latentserve-load-test"


@dataclass(frozen=True)
class Example:
    """One request and its right answer.

    Attributes:
        path: ``/v1/encode`` and so on; also its name in the report.
        headers: Of the request.
        body: Of the request.
        kind: How an answer is compared.
        alone: The answer's body when nothing else ran.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    kind: Kind
    alone: bytes


@dataclass(frozen=True)
class Examples:
    """The model's facts, and every request that the load consists of."""

    model: ModelFacts
    examples: tuple[Example, ...]

    def of(self, path: str) -> tuple[Example, ...]:
        """The examples of one endpoint."""
        return tuple(example for example in self.examples if example.path == path)

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        rows = [
            {
                **asdict(example),
                "body": base64.b64encode(example.body).decode(),
                "alone": base64.b64encode(example.alone).decode(),
            }
            for example in self.examples
        ]
        return json.dumps({"model": asdict(self.model), "examples": rows})

    @classmethod
    def from_json(cls, text: str) -> Examples:
        """The examples that `to_json` wrote."""
        document: dict[str, Any] = json.loads(text)
        facts = document["model"]
        model = ModelFacts(**{**facts, "attributes": tuple(facts["attributes"])})
        rows = [
            Example(
                **{
                    **row,
                    "body": base64.b64decode(row["body"]),
                    "alone": base64.b64decode(row["alone"]),
                }
            )
            for row in document["examples"]
        ]
        return cls(model, tuple(rows))


def prepare(host: str, count: int) -> Examples:
    """Make ``count`` examples for each of the four endpoints, and check all their answers.

    Raises:
        ServerError: A request failed.
        WrongAnswer: An answer is wrong although nothing else ran.
    """
    model = ModelFacts.from_answer(fetch(host, "GET", "/v1/model").body)
    wanted = json.dumps({"n": count, "seed": SEED}).encode()
    accept = {**_JSON, "Accept": "application/json"}
    drawn = fetch(host, "POST", "/v1/sample", wanted, accept).body
    latents = read_rows(drawn, "latents", model)
    pictures = [base64.b64decode(text) for text in json.loads(drawn)["images"]]
    if len(pictures) != count or len(latents) != count:
        raise WrongAnswer(f"asked for {count} samples, got {len(pictures)} and {len(latents)}")
    examples: list[Example] = []
    for place, (picture, latent) in enumerate(zip(pictures, latents.tolist(), strict=True)):
        examples += _for_one(host, model, place, picture, latent)
    return Examples(model, tuple(examples))


def _for_one(
    host: str, model: ModelFacts, place: int, picture: bytes, latent: list[float]
) -> Iterator[Example]:
    pixels = read_picture(picture, model)
    photo = _photo(picture) if place % 2 else picture
    media_type = "image/jpeg" if place % 2 else "image/png"

    encode = _ask(host, "/v1/encode", {"Content-Type": media_type}, photo, "encoding")
    mean = read_rows(encode.alone, "mean", model)
    read_rows(encode.alone, "logvar", model)
    yield encode

    decode = _ask(host, "/v1/decode", _JSON, _latents([latent]), "picture")
    check_close(read_picture(decode.alone, model), pixels, GREY_LEVELS)
    yield decode

    seeded = json.dumps({"n": 1, "seed": SEED + place}).encode()
    sample = _ask(host, "/v1/sample", _JSON, seeded, "seeded picture")
    if place == 0:
        check_close(read_picture(sample.alone, model), pixels, GREY_LEVELS)
    read_picture(sample.alone, model)
    yield sample

    strength = STRENGTHS[place % len(STRENGTHS)]
    names = model.attributes
    attributes = {names[place % len(names)]: strength} if names else {}
    headers, body = _form(photo, media_type, json.dumps(attributes))
    shift = _ask(host, "/v1/shift", headers, body, "picture")
    shifted = read_picture(shift.alone, model)
    if not any(attributes.values()):
        same = fetch(host, "POST", "/v1/decode", _latents(mean.tolist()), _JSON).body
        check_close(shifted, read_picture(same, model), GREY_LEVELS)
    yield shift


def _ask(host: str, path: str, headers: Mapping[str, str], body: bytes, kind: Kind) -> Example:
    return Example(path, headers, body, kind, fetch(host, "POST", path, body, headers).body)


def _latents(rows: list[list[float]]) -> bytes:
    return json.dumps({"latents": rows}).encode()


def _photo(picture: bytes) -> bytes:
    """The picture as a shop would send it: larger than the model's size, and JPEG."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.BICUBIC).save(
            buffer, "JPEG", quality=90
        )
    return buffer.getvalue()


def _form(picture: bytes, media_type: str, attributes: str) -> tuple[dict[str, str], bytes]:
    """The body that ``curl -F image=@face.png -F 'attributes=…'`` sends."""
    lines = (
        f"--{_BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="image"; filename="image"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    ).encode()
    rest = (
        f"\r\n--{_BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="attributes"\r\n\r\n'
        f"{attributes}\r\n--{_BOUNDARY}--\r\n"
    ).encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    return headers, lines + picture + rest

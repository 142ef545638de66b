"""Bodies of every kind, good and bad, become the same inputs."""

from __future__ import annotations

import base64
import io
import tempfile
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from inference.call import Call
from inference.errors import (
    InvalidImage,
    InvalidRequest,
    ServingError,
    TooManyItems,
    UnsupportedMediaType,
)
from service.inputs import Inputs, read_inputs
from service.wire import Request

IMAGES = frozenset({"images"})
LATENTS = frozenset({"latents"})
BOTH = IMAGES | LATENTS
NOTHING: frozenset[str] = frozenset()


def request(body: bytes, media_type: str = "", **query: str) -> Request:
    headers = {b"content-type": media_type.encode()} if media_type else {}
    return Request("POST", "/v1/shift", headers, query, body, Call())


def as_json(document: object, **query: str) -> Request:
    return request(orjson.dumps(document), "application/json", **query)


def as_multipart(files: Any = None, data: Any = None) -> Request:
    sent = httpx.Request("POST", "http://host/", files=files, data=data)
    return request(sent.read(), sent.headers["content-type"])


def npy(array: Any) -> Request:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return request(buffer.getvalue(), "application/x-npy")


async def read(request: Request, takes: frozenset[str] = BOTH, max_items: int = 3) -> Inputs:
    return read_inputs(request, takes, max_items)


async def test_a_raw_image_with_its_fields_in_the_url() -> None:
    inputs = await read(request(b"PNG", "image/png", attributes='{"smile": 1}'))
    assert inputs.images == [b"PNG"]
    assert inputs.fields == {"attributes": {"smile": 1}}


async def test_base64_in_json() -> None:
    text = base64.b64encode(b"PNG").decode()
    inputs = await read(as_json({"images": [text, text], "columns": 2}))
    assert inputs.images == [b"PNG", b"PNG"]
    assert inputs.fields == {"columns": 2}


async def test_latents_in_json() -> None:
    inputs = await read(as_json({"latents": [[1, 2.5]]}), LATENTS)
    assert inputs.latents == [[1, 2.5]]
    assert inputs.images is None


async def test_a_field_that_the_route_does_not_take_stays_a_field() -> None:
    inputs = await read(as_json({"latents": [[1]]}), IMAGES)
    assert inputs.latents is None
    assert "latents" in inputs.fields


async def test_multipart_files_and_fields() -> None:
    files = [("images", ("a.png", b"A")), ("image", ("b.png", b"B"))]
    inputs = await read(as_multipart(files, {"attributes": '{"smile": -0.5}', "columns": "2"}))
    assert inputs.images == [b"A", b"B"]
    assert inputs.fields == {"attributes": {"smile": -0.5}, "columns": 2}


async def test_multipart_latents() -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="latents"\r\n\r\n[[1.5]]\r\n--x--\r\n'
    inputs = await read(request(body, "multipart/form-data; boundary=x"))
    assert inputs.latents == [[1.5]]
    assert inputs.fields == {}


async def test_arrays_are_told_apart_by_their_datatype() -> None:
    one = await read(npy(np.zeros((4, 4, 3), np.uint8)))
    assert isinstance(one.images, np.ndarray)
    assert one.images.shape == (1, 4, 4, 3)
    several = await read(npy(np.zeros((2, 4, 4, 3), np.uint8)), IMAGES)
    assert isinstance(several.images, np.ndarray)
    assert several.images.shape == (2, 4, 4, 3)
    latents = await read(npy(np.zeros((2, 5), np.float32)))
    assert isinstance(latents.latents, np.ndarray)
    assert latents.images is None


async def test_a_route_without_inputs_needs_no_body() -> None:
    inputs = await read(request(b"", n="3", prior="normal"), NOTHING)
    assert inputs.fields == {"n": 3, "prior": "normal"}


def _broken_multipart() -> Request:
    return request(b"--x\r\nno header at all", "multipart/form-data")


def _cut_multipart() -> Request:
    return request(b"not a part", "multipart/form-data; boundary=x")


def _many_headers() -> Request:
    name = b'Content-Disposition: form-data; name="n"\r\n'
    body = b"--x\r\n" + name + b"a: b\r\n" * 100_000 + b"\r\n1\r\n--x--\r\n"
    return request(body, "multipart/form-data; boundary=x")


def _long_header() -> Request:
    body = b"--x\r\na: " + b"b" * 1_000_000 + b"\r\n\r\n1\r\n--x--\r\n"
    return request(body, "multipart/form-data; boundary=x")


def _many_fields() -> Request:
    part = b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n'
    body = b"".join(part % number for number in range(65)) + b"--x--\r\n"
    return request(body, "multipart/form-data; boundary=x")


_DEEP = b'{"n":' + b"[" * 1026 + b"]" * 1026 + b"}"
BAD: list[tuple[str, Request, type[ServingError], str]] = [
    ("empty body", request(b"", "application/json"), InvalidRequest, "body is empty"),
    ("no body", request(b""), InvalidRequest, "send images or latents as image/png"),
    ("malformed JSON", request(b"{", "application/json"), InvalidRequest, "not JSON.*line 1"),
    ("NaN", request(b'{"latents":[[NaN]]}', "application/json"), InvalidRequest, "not JSON"),
    ("a list", as_json([1]), InvalidRequest, "must be an object"),
    ("form", request(b"a=1", "application/x-www-form-urlencoded"), UnsupportedMediaType, "reads"),
    ("no type", request(b"x"), UnsupportedMediaType, "'missing'.*application/json"),
    ("text", request(b"x", "text/plain"), UnsupportedMediaType, "'text/plain'"),
    ("one text", as_json({"images": "aGk="}), InvalidRequest, "must be a list"),
    ("a number", as_json({"images": [1]}), InvalidRequest, r"images\[0\] is a JSON int"),
    ("no base64", as_json({"images": ["aGk=", "!!"]}), InvalidImage, r"images\[1\] is not base64"),
    ("data URL", as_json({"images": ["data:image/png;base64,aGk="]}), InvalidImage, "data: prefix"),
    ("umlaut", as_json({"images": ["ü"]}), InvalidImage, "not base64"),
    ("none", as_json({"images": []}), InvalidRequest, "images is empty"),
    ("no latents", as_json({"latents": []}), InvalidRequest, "latents is empty"),
    ("four", as_json({"images": ["aGk="] * 4}), TooManyItems, "4 images, the limit is 3"),
    ("many", as_json({"latents": [[0]] * 4}), TooManyItems, "4 latents, the limit is 3"),
    ("npy", npy(np.zeros((4, 2, 2, 3), np.uint8)), TooManyItems, "limit is 3"),
    ("files", as_multipart([("images", ("a", b"a"))] * 4), TooManyItems, "more than 3 files"),
    ("twice", as_json({"n": 1}, n="2"), InvalidRequest, "'n' is given in the body and in the URL"),
    ("other file", as_multipart({"photo": b"a"}), InvalidRequest, "file part 'photo'"),
    (
        "text part",
        as_multipart([("images", ("a", b"a"))], {"image": "abc"}),
        InvalidRequest,
        "must be a file",
    ),
    (
        "part twice",
        as_multipart([("images", ("a", b"a"))], {"n": ["1", "2"]}),
        InvalidRequest,
        "part 'n' is given twice",
    ),
    ("no boundary", _broken_multipart(), InvalidRequest, "multipart body cannot be read"),
    ("no part", _cut_multipart(), InvalidRequest, "multipart body lacks its closing"),
    ("part's headers", _many_headers(), InvalidRequest, "multipart body cannot be read"),
    ("a part's header", _long_header(), InvalidRequest, "multipart body cannot be read"),
    ("fields", _many_fields(), InvalidRequest, "Too many fields"),
    ("deep", request(_DEEP, "application/json"), InvalidRequest, "not JSON.*depth limit"),
]


@pytest.mark.parametrize(
    ("sent", "error", "words"), [row[1:] for row in BAD], ids=[r[0] for r in BAD]
)
async def test_a_bad_body_is_refused(sent: Request, error: type[ServingError], words: str) -> None:
    with pytest.raises(error, match=words):
        await read(sent)


async def test_files_are_refused_where_no_images_are_taken() -> None:
    with pytest.raises(InvalidRequest, match="this route takes no files"):
        await read(as_multipart([("images", ("a", b"a"))]), NOTHING)


async def test_a_large_part_never_touches_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file was made")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    big = b"x" * (3 << 20)
    inputs = await read(as_multipart([("images", ("a", big))]))
    assert inputs.images == [big]


def test_a_body_of_many_empty_arrays_is_refused_before_it_is_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.inputs.orjson.loads", pytest.fail)
    body = b'{"latents": [' + b"[]," * 2000 + b"[]]}"
    with pytest.raises(TooManyItems, match="2003 arrays and objects in its JSON"):
        read_inputs(request(body, "application/json"), BOTH, 3)


def test_base64_is_counted_before_it_is_decoded() -> None:
    with pytest.raises(TooManyItems, match="4 images"):
        read_inputs(as_json({"images": ["not base64!"] * 4}), BOTH, 3)


def test_a_multipart_body_that_was_cut_short_is_refused() -> None:
    whole = as_multipart(files=[("image", ("a.png", b"one")), ("image", ("b.png", b"two"))])
    cut = request(whole.body[: whole.body.index(b"two")], whole.headers[b"content-type"].decode())
    assert read_inputs(whole, BOTH, 3).images == [b"one", b"two"]
    with pytest.raises(InvalidRequest, match="lacks its closing boundary"):
        read_inputs(cut, BOTH, 3)

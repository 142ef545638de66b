"""Each route over a bundle whose answers can be worked out by hand."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pytest
import pytest_asyncio
from PIL import Image

from inference.errors import InvalidImage
from service.inputs import read_inputs
from tests.support.grpc_app import until
from tests.support.http_app import JSON, NPY, array_of, npy, png, served
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import httpx

    from service.runtime import Runtime

LATENTS = [[0.0, 1.0, -1.0, 0.5], [2.0, -2.0, 0.25, 0.0]]


@pytest_asyncio.fixture(name="app")
async def _app(tmp_path: Path) -> AsyncGenerator[tuple[httpx.AsyncClient, Runtime]]:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    async with served(bundle, max_items=8, max_image_pixels=10_000) as pair:
        yield pair


@pytest.fixture
def client(app: tuple[httpx.AsyncClient, Runtime]) -> httpx.AsyncClient:
    return app[0]


Pair = tuple["httpx.AsyncClient", "Runtime"]


async def test_encode_gives_the_same_for_every_kind_of_body(client: httpx.AsyncClient) -> None:
    image = png(64)
    as_json = {"images": [base64.b64encode(image).decode()]}
    pixels = np.full((16, 16, 3), 64, np.uint8)
    answers = [
        await client.post("/v1/encode", content=image, headers={"Content-Type": "image/png"}),
        await client.post("/v1/encode", files={"image": image}),
        await client.post("/v1/encode", files=[("images", ("a.png", image))]),
        await client.post("/v1/encode", json=as_json),
        await client.post(
            "/v1/encode", content=npy(pixels), headers={"Content-Type": "application/x-npy"}
        ),
    ]
    expected = 4 * (64 / 255 - 0.5)
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        document = answer.json()
        assert document["mean"] == [pytest.approx([expected] * 4, abs=1e-5)]
        assert np.shape(document["logvar"]) == (1, 4)


async def test_encode_as_an_array(client: httpx.AsyncClient) -> None:
    files = [("images", ("a", png(grey))) for grey in (0, 255)]
    mean = array_of(await client.post("/v1/encode", files=files, headers=NPY))
    assert mean.dtype == np.float32
    assert np.allclose(mean, [[-2] * 4, [2] * 4], atol=1e-5)


async def test_arrays_of_another_size_are_fitted(client: httpx.AsyncClient) -> None:
    pixels = np.full((2, 40, 20, 3), 200, np.uint8)
    headers = {"Content-Type": "application/x-npy", **NPY}
    mean = array_of(await client.post("/v1/encode", content=npy(pixels), headers=headers))
    assert np.allclose(mean, 4 * (200 / 255 - 0.5), atol=1e-5)


async def test_decode_gives_one_picture_or_a_sheet(client: httpx.AsyncClient) -> None:
    one = await client.post("/v1/decode", json={"latents": LATENTS[:1]})
    assert one.headers["content-type"] == "image/png"
    assert array_of(one).shape == (16, 16, 3)
    sheet = await client.post("/v1/decode", json={"latents": LATENTS, "columns": 2})
    assert array_of(sheet).shape[0] < 32 < array_of(sheet).shape[1]


async def test_decode_forms_agree(client: httpx.AsyncClient) -> None:
    body = {"latents": LATENTS}
    exact = array_of(await client.post("/v1/decode", json=body, headers=NPY))
    assert exact.shape == (2, 16, 16, 3)
    raw = npy(np.array(LATENTS, np.float32))
    headers = {"Content-Type": "application/x-npy", **NPY}
    assert (array_of(await client.post("/v1/decode", content=raw, headers=headers)) == exact).all()
    document = (await client.post("/v1/decode", json=body, headers=JSON)).json()
    assert set(document) == {"images"}
    pictures = [Image.open(io.BytesIO(base64.b64decode(text))) for text in document["images"]]
    assert (np.stack([np.asarray(picture) for picture in pictures]) == exact).all()
    zipped = await client.post("/v1/decode", json=body, headers={"Accept": "application/zip"})
    assert len(zipfile.ZipFile(io.BytesIO(zipped.content)).namelist()) == 2


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/webp", "image/png"])
async def test_picture_formats(media_type: str, client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/decode", json={"latents": LATENTS[:1]}, headers={"Accept": media_type}
    )
    assert answer.headers["content-type"] == media_type
    assert array_of(answer).shape == (16, 16, 3)


async def test_sample_follows_its_seed(client: httpx.AsyncClient) -> None:
    body = {"n": 3, "seed": 7}
    first = await client.post("/v1/sample", json=body, headers=NPY)
    again = await client.post("/v1/sample", json=body, headers=NPY)
    more = await client.post("/v1/sample", json={"n": 5, "seed": 7}, headers=NPY)
    in_url = await client.post("/v1/sample?n=3&seed=7", headers=NPY)
    assert first.headers["x-seed"] == "7"
    assert first.content == again.content == in_url.content
    assert (array_of(more)[:3] == array_of(first)).all()
    other = await client.post("/v1/sample", json={"n": 3, "seed": 8}, headers=NPY)
    assert other.content != first.content


async def test_a_drawn_seed_can_be_used_again(client: httpx.AsyncClient) -> None:
    drawn = await client.post("/v1/sample", json={}, headers=JSON)
    document = drawn.json()
    assert drawn.headers["x-seed"] == str(document["seed"])
    again = await client.post("/v1/sample", json={"seed": document["seed"]}, headers=JSON)
    assert again.json() == document
    assert np.shape(document["latents"]) == (1, 4)


async def test_sample_parameters_have_an_effect(client: httpx.AsyncClient) -> None:
    async def sample(**body: Any) -> bytes:
        answer = await client.post("/v1/sample", json={"seed": 1, **body}, headers=NPY)
        assert answer.status_code == 200, answer.text
        return answer.content

    plain = await sample()
    for body in ({"temperature": 0}, {"prior": "normal"}, {"attributes": {"smile": 1}}):
        assert await sample(**body) != plain


async def test_shift_by_nothing_is_reconstruction(client: httpx.AsyncClient) -> None:
    files = {"image": png(90)}
    same = await client.post("/v1/shift", files=files, data={"attributes": "{}"}, headers=NPY)
    plain = await client.post("/v1/reconstruct", files=files, headers=NPY)
    assert same.content == plain.content
    assert (array_of(plain) == 90).all()


async def test_shift_moves_images_and_latents_alike(client: httpx.AsyncClient) -> None:
    strengths = {"glasses": 1, "smile": -0.5}
    data = {"attributes": orjson.dumps(strengths).decode()}
    answer = await client.post("/v1/shift", files={"image": png(90)}, data=data, headers=JSON)
    shifted = answer.json()
    encoded = (await client.post("/v1/encode", files={"image": png(90)})).json()
    body = {"latents": encoded["mean"], "attributes": strengths}
    from_latents = (await client.post("/v1/shift", json=body, headers=JSON)).json()
    assert shifted == from_latents
    assert shifted["latents"] != encoded["mean"]
    url = "/v1/shift?attributes=" + data["attributes"]
    headers = {"Content-Type": "image/png", **JSON}
    raw = await client.post(url, content=png(90), headers=headers)
    assert raw.json() == shifted


async def test_model_and_attributes(client: httpx.AsyncClient) -> None:
    model = (await client.get("/v1/model")).json()
    assert (model["name"], model["latent"]["dimension"]) == ("tiny", 4)
    assert model["variational"] is True
    assert model["attributes"] == ["glasses", "smile"]
    assert model["providers"] == ["CPUExecutionProvider"]
    assert model["limits"]["max_items"] == 8
    attributes = (await client.get("/v1/attributes")).json()["attributes"]
    assert [attribute["name"] for attribute in attributes] == ["glasses", "smile"]
    assert {"direction", "quality", "unseen", "useful_range"} <= set(attributes[0])


def _truncated() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()[:-200]


ONE = base64.b64encode(png()).decode()
BAD: list[tuple[str, str, dict[str, Any], int, str, str]] = [
    ("cut", "encode", {"files": {"image": _truncated()}}, 400, "invalid_image", "image 0"),
    ("big", "encode", {"files": {"image": png(0, 101)}}, 400, "invalid_image", "max_image_pixels"),
    ("text", "encode", {"files": {"image": b"hello"}}, 415, "unsupported_media_type", "image 0"),
    (
        "second",
        "encode",
        {"files": [("images", ("a", png())), ("images", ("b", b"\x89PNG\r\n\x1a\n"))]},
        400,
        "invalid_image",
        "image 1",
    ),
    ("none", "encode", {"json": {}}, 400, "invalid_request", "'images' is missing"),
    ("length", "decode", {"json": {"latents": [[1, 2]]}}, 422, "shape_mismatch", "takes 4"),
    ("ragged", "decode", {"json": {"latents": [[1] * 4, [1]]}}, 422, "shape_mismatch", "row 1"),
    ("text in", "decode", {"json": {"latents": [["1"] * 4]}}, 400, "invalid_request", "row 0"),
    ("true", "decode", {"json": {"latents": [[True] * 4]}}, 400, "invalid_request", "row 0"),
    ("inf", "decode", {"content": b'{"latents":[[1e999,0,0,0]]}'}, 400, "invalid_request", ""),
    ("NaN", "decode", {"content": b'{"latents":[[NaN,0,0,0]]}'}, 400, "invalid_request", "JSON"),
    ("flat", "decode", {"json": {"latents": [1, 2, 3, 4]}}, 422, "shape_mismatch", "[["),
    ("nothing", "decode", {"json": {"columns": 1}}, 400, "invalid_request", "'latents' is missing"),
    ("many", "decode", {"json": {"latents": [[0] * 4] * 9}}, 413, "too_many_items", "limit is 8"),
    ("n", "sample", {"json": {"n": 9}}, 413, "too_many_items", "n is 9, the limit is 8"),
    ("n 0", "sample", {"json": {"n": 0}}, 400, "invalid_request", "'n' is 0"),
    ("seed", "sample", {"json": {"seed": -1}}, 400, "invalid_request", "'seed' is -1"),
    ("seed type", "sample", {"json": {"seed": "x"}}, 400, "invalid_request", "'seed' is 'x'"),
    ("hot", "sample", {"json": {"temperature": 99}}, 400, "invalid_request", "'temperature' is 99"),
    (
        "name",
        "sample",
        {"json": {"attributes": {"smil": 1}}},
        404,
        "unknown_attribute",
        "did you mean 'smile'",
    ),
    ("far", "sample", {"json": {"attributes": {"smile": 11}}}, 400, "invalid_request", "11"),
    (
        "both",
        "shift",
        {"json": {"images": [ONE], "latents": LATENTS, "attributes": {}}},
        400,
        "invalid_request",
        "both",
    ),
    ("neither", "shift", {"json": {"attributes": {}}}, 400, "invalid_request", "neither"),
    ("no field", "shift", {"json": {"latents": LATENTS}}, 400, "invalid_request", "'attributes'"),
    (
        "detail",
        "shift",
        {"json": {"latents": LATENTS, "attributes": {}, "detail": True}},
        400,
        "invalid_request",
        "but latents came; send images",
    ),
    (
        "accept",
        "encode",
        {"files": {"image": png()}, "headers": {"Accept": "image/png"}},
        406,
        "not_acceptable",
        "application/json, application/x-npy",
    ),
]


@pytest.mark.parametrize(
    ("route", "sent", "status", "slug_words"),
    [(route, sent, status, told) for _, route, sent, status, *told in BAD],
    ids=[row[0] for row in BAD],
)
async def test_a_bad_request_is_told_what_is_wrong(
    route: str,
    sent: dict[str, Any],
    status: int,
    slug_words: tuple[str, str],
    client: httpx.AsyncClient,
) -> None:
    slug, words = slug_words
    if "content" in sent:
        sent = {**sent, "headers": {"Content-Type": "application/json"}}
    answer = await client.post(f"/v1/{route}", **sent)
    error = answer.json()["error"]
    assert (answer.status_code, error["slug"]) == (status, slug), error
    assert words in error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]


async def test_a_damaged_image_is_no_affair_of_its_batchs_other_images(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, runtime = app
    started = asyncio.Event()
    decoder = runtime.engine._graphs.sessions["encoder"]
    run = type(decoder).__call__

    async def wait(graph: Any, batch: Any) -> Any:
        await started.wait()
        return await run(graph, batch)

    monkeypatch.setattr(type(decoder), "__call__", wait)
    headers = {"Content-Type": "image/png"}
    damaged = bytearray(png())
    damaged[-20] ^= 0xFF
    asked = [
        asyncio.ensure_future(client.post("/v1/encode", content=bytes(content), headers=headers))
        for content in (png(), damaged, png(), *[png()] * 7)
    ]
    await until(lambda: runtime.engine.admission.in_flight == len(asked))
    started.set()
    answers = await asyncio.gather(*asked)
    found = [answer.status_code for answer in answers]
    assert found == [200, 400, *[200] * 8]
    assert answers[1].json()["error"]["slug"] == "invalid_image"
    assert len({answer.text for answer in answers if answer.status_code == 200}) == 1
    # Some of them did ride with it.
    assert max(int(answer.headers["x-batch-size"]) for answer in answers) > 2


async def test_after_a_damaged_image_the_others_are_not_decoded(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, runtime = app
    seen: list[bytes] = []

    answered = threading.Event()

    def decode(data: bytes, *_: Any) -> Any:
        seen.append(data)
        if data != b"0":
            answered.wait(10)
        raise InvalidImage("damaged")

    monkeypatch.setattr("service.loading.images.decode", decode)
    files = [("images", (f"{i}.png", b"%d" % i)) for i in range(8)]
    answer = await client.post("/v1/encode", files=files)
    assert answer.status_code == 400
    answered.set()
    await runtime.aclose()
    # Two threads: the damaged one's took another before the answer.
    assert len(seen) <= 3
    assert runtime.engine._codecs.waiting == 0


async def test_a_storm_of_decodes_is_refused(app: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    client, runtime = app
    monkeypatch.setattr(runtime.engine._codecs, "waiting", runtime.settings.max_queue_size)
    answer = await client.post("/v1/encode", content=b"x", headers={"Content-Type": "image/png"})
    assert answer.status_code == 429
    assert answer.json()["error"]["slug"] == "queue_full"
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_large_body_is_parsed_off_the_event_loop(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def note(*arguments: Any, **options: Any) -> Any:
        threads.append(threading.current_thread().name)
        return read_inputs(*arguments, **options)

    monkeypatch.setattr("service.endpoints.read_inputs", note)
    for spaces in (0, 40_000):
        body = b" " * spaces + b'{"latents": [[0, 0, 0, 0]]}'
        headers = {"Content-Type": "application/json"}
        assert (await app[0].post("/v1/decode", content=body, headers=headers)).is_success
    assert threads[0] == threading.current_thread().name
    assert threads[1].startswith("codec")

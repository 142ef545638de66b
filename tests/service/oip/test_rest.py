"""The protocol over HTTP: metadata, both forms of data, and every wrong request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import orjson
import pytest
import pytest_asyncio

from inference.errors import ERRORS
from tests.support.http_app import served
from tests.support.tiny_bundle import banded_image, write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from service.runtime import Runtime

LENGTH = "Inference-Header-Content-Length"
LATENT = {"name": "latent", "datatype": "FP32", "shape": [1, 4], "data": [0.0, 1.0, -1.0, 0.5]}
RAW = np.array([[0.0, 1.0, -1.0, 0.5]], np.float32)
Pair = tuple[httpx.AsyncClient, "Runtime"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest_asyncio.fixture(name="app")
async def _app(bundle: Path) -> AsyncGenerator[Pair]:
    async with served(bundle, max_items=8, max_body_bytes=1 << 20) as pair:
        yield pair


async def infer(
    client: httpx.AsyncClient,
    model: str,
    document: dict[str, Any],
    raw: bytes | None = None,
    **headers: str,
) -> httpx.Response:
    head = orjson.dumps(document)
    if raw is not None:
        headers = {LENGTH: str(len(head)), **headers}
    body = head + (raw or b"")
    return await client.post(f"/v2/models/{model}/infer", content=body, headers=headers)


def arrays_in(answer: httpx.Response) -> dict[str, Any]:
    """The outputs of an answer, whichever form they have."""
    assert answer.status_code == 200, answer.text
    size = int(answer.headers.get(LENGTH, len(answer.content)))
    behind = answer.content[size:]
    found = {}
    for output in orjson.loads(answer.content[:size])["outputs"]:
        datatype = {"UINT8": "u1", "FP32": "<f4", "INT64": "<i8"}[output["datatype"]]
        if "data" in output:
            flat = np.array(output["data"], datatype)
        else:
            count = output["parameters"]["binary_data_size"]
            flat, behind = np.frombuffer(behind[:count], datatype), behind[count:]
        found[output["name"]] = flat.reshape(output["shape"])
    assert not behind
    return found


async def test_health_and_metadata(app: Pair) -> None:
    client, _ = app
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    server = (await client.get("/v2")).json()
    assert server["name"] == "latentserve"
    assert server["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/models/sampler", "/v2/models/sampler/versions/1"):
        model = (await client.get(path)).json()
        assert model["versions"] == ["1"]
        assert model["inputs"][0] == {"name": "n", "datatype": "INT64", "shape": [1]}
        assert model["inputs"][1]["parameters"] == {"optional": True}
        assert model["parameters"] == {"attributes": '["glasses","smile"]'}
        ready = (await client.get(f"{path}/ready")).json()
        assert ready == {"name": "sampler", "ready": True}


async def test_readiness_follows_the_worker(app: Pair) -> None:
    client, runtime = app
    runtime.drain()
    for path in ("health/ready", "models/encoder/ready"):
        answer = await client.get(f"/v2/{path}")
        assert (answer.status_code, answer.json()["slug"]) == (503, "shutting_down")
    assert (await client.get("/v2/health/live")).status_code == 200
    assert (await infer(client, "decoder", {"inputs": [LATENT]})).status_code == 503


async def test_json_and_binary_give_the_same(app: Pair) -> None:
    client, _ = app
    binary = {**LATENT, "parameters": {"binary_data_size": 16}}
    del binary["data"]
    answers = [
        await infer(client, "decoder", {"inputs": [LATENT]}),
        await infer(client, "decoder", {"inputs": [{**LATENT, "data": RAW.tolist()}]}),
        await infer(client, "decoder", {"inputs": [binary]}, RAW.tobytes()),
        await infer(
            client,
            "decoder",
            {"inputs": [binary], "parameters": {"binary_data_output": True}},
            RAW.tobytes(),
        ),
        await infer(
            client,
            "decoder",
            {
                "inputs": [LATENT],
                "outputs": [{"name": "image", "parameters": {"binary_data": True}}],
            },
        ),
    ]
    images = [arrays_in(answer)["image"] for answer in answers]
    for image in images:
        assert image.shape == (1, 16, 16, 3)
        assert np.array_equal(image, images[0])
    forms = [LENGTH.lower() in answer.headers for answer in answers]
    assert forms == [False, False, False, True, True]
    assert answers[0].headers["content-type"] == "application/json"
    assert answers[3].headers["content-type"] == "application/octet-stream"
    assert answers[3].headers["x-batch-size"] == "1"


async def test_a_form_for_each_output(app: Pair) -> None:
    client, _ = app
    image = banded_image([0, 85, 170, 255])[None]
    document = {
        "id": "42",
        "parameters": {"binary_data_output": True},
        "inputs": [
            {
                "name": "image",
                "datatype": "UINT8",
                "shape": [1, 16, 16, 3],
                "data": image.ravel().tolist(),
            }
        ],
        "outputs": [{"name": "logvar", "parameters": {"binary_data": False}}, {"name": "mean"}],
    }
    answer = await infer(client, "encoder", document)
    head = orjson.loads(answer.content[: int(answer.headers[LENGTH])])
    assert (head["id"], head["model_name"], head["model_version"]) == ("42", "encoder", "1")
    assert ["data" in output for output in head["outputs"]] == [True, False]
    found = arrays_in(answer)
    assert list(found) == ["logvar", "mean"]
    assert (found["logvar"] == -4).all()
    assert found["mean"][0] == pytest.approx([-2, -2 / 3, 2 / 3, 2], abs=1e-5)


def given(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


N = given("n", "INT64", [1], [3])
SEED = given("seed", "INT64", [1], [7])


async def test_the_sampler_gives_what_v1_gives(app: Pair) -> None:
    client, _ = app
    strengths = given("strengths", "FP32", [1, 2], [0.5, 0])
    temperature = given("temperature", "FP32", [1], [0.5])
    body = {"inputs": [N, SEED, strengths, temperature], "parameters": {"prior": "normal"}}
    found = arrays_in(await infer(client, "sampler", body))
    same = {"n": 3, "seed": 7, "prior": "normal", "temperature": 0.5}
    answer = await client.post(
        "/v1/sample",
        json={**same, "attributes": {"glasses": 0.5}},
        headers={"Accept": "application/json"},
    )
    assert np.array_equal(found["latent"], np.array(answer.json()["latents"], np.float32))
    assert found["seed"] == [7]
    assert found["image"].shape == (3, 16, 16, 3)
    drawn = arrays_in(await infer(client, "sampler", {"inputs": [N]}))
    again = given("seed", "INT64", [1], drawn["seed"].tolist())
    repeated = arrays_in(await infer(client, "sampler", {"inputs": [N, again]}))
    assert np.array_equal(repeated["image"], drawn["image"])


async def test_the_shifter_gives_what_v1_gives(app: Pair) -> None:
    client, _ = app
    image = banded_image([64, 64, 64, 64])
    picture = given("image", "UINT8", [2, 16, 16, 3], np.stack([image, image]).tolist())
    strengths = given("strengths", "FP32", [2, 2], [1, 0, 0, -0.5])
    found = arrays_in(await infer(client, "shifter", {"inputs": [picture, strengths]}))
    for row, attributes in enumerate(({"glasses": 1}, {"smile": -0.5})):
        mean = 4 * (64 / 255 - 0.5)
        body = {"latents": [[mean] * 4], "attributes": attributes}
        answer = await client.post("/v1/shift", json=body, headers={"Accept": "application/json"})
        assert found["latent"][row] == pytest.approx(answer.json()["latents"][0], abs=1e-5)


WRONG: dict[str, tuple[str, dict[str, Any], bytes | None, str, str]] = {
    "unknown model": ("encodr", {"inputs": []}, None, "model_not_found", "did you mean 'encoder'"),
    "unknown version": ("decoder/versions/2", {"inputs": []}, None, "model_not_found", "version 1"),
    "no inputs field": ("decoder", {}, None, "invalid_request", "'inputs' of the request"),
    "no input": ("decoder", {"inputs": []}, None, "invalid_request", "needs the input 'latent'"),
    "inputs no list": ("decoder", {"inputs": {}}, None, "invalid_request", "JSON dict"),
    "input no object": ("decoder", {"inputs": [1]}, None, "invalid_request", "JSON int"),
    "nameless": ("decoder", {"inputs": [{}]}, None, "invalid_request", "'name' of an input"),
    "another name": (
        "decoder",
        {"inputs": [{**LATENT, "name": "z"}]},
        None,
        "invalid_request",
        "it has latent",
    ),
    "twice": ("decoder", {"inputs": [LATENT, LATENT]}, None, "invalid_request", "given twice"),
    "another datatype": (
        "decoder",
        {"inputs": [{**LATENT, "datatype": "FP64"}]},
        None,
        "shape_mismatch",
        "FP64",
    ),
    "another shape": (
        "decoder",
        {"inputs": [{**LATENT, "shape": [2, 2]}]},
        None,
        "shape_mismatch",
        "[-1, 4]",
    ),
    "a shape of texts": (
        "decoder",
        {"inputs": [{**LATENT, "shape": ["1", 4]}]},
        None,
        "invalid_request",
        "whole numbers",
    ),
    "negative": (
        "decoder",
        {"inputs": [{**LATENT, "shape": [-1, 4]}]},
        None,
        "shape_mismatch",
        "[-1, 4]",
    ),
    "huge": (
        "decoder",
        {"inputs": [{**LATENT, "shape": [2**62, 4]}]},
        None,
        "too_many_items",
        "limit is 8",
    ),
    "too many": (
        "decoder",
        {"inputs": [{**LATENT, "shape": [9, 4], "data": [0.0] * 36}]},
        None,
        "too_many_items",
        "9 items",
    ),
    "too few data": (
        "decoder",
        {"inputs": [{**LATENT, "data": [1]}]},
        None,
        "invalid_request",
        "1 numbers",
    ),
    "a value beyond": (
        "decoder",
        {"inputs": [{**LATENT, "data": [1e30, 0, 0, 0]}]},
        None,
        "invalid_request",
        "row 0, column 0",
    ),
    "data nowhere": (
        "decoder",
        {"inputs": [{k: v for k, v in LATENT.items() if k != "data"}]},
        None,
        "invalid_request",
        "either 'data' or",
    ),
    "data twice": (
        "decoder",
        {"inputs": [{**LATENT, "parameters": {"binary_data_size": 16}}]},
        RAW.tobytes(),
        "invalid_request",
        "either 'data' or",
    ),
    "bytes left over": (
        "decoder",
        {"inputs": [LATENT]},
        b"1234",
        "invalid_request",
        "4 bytes behind",
    ),
    "shared memory": (
        "decoder",
        {"inputs": [{**LATENT, "parameters": {"shared_memory_region": "a"}}]},
        None,
        "invalid_request",
        "'shared_memory_region'",
    ),
    "unknown output": (
        "decoder",
        {"inputs": [LATENT], "outputs": [{"name": "picture"}]},
        None,
        "invalid_request",
        "it has image",
    ),
    "output twice": (
        "decoder",
        {"inputs": [LATENT], "outputs": [{"name": "image"}, {"name": "image"}]},
        None,
        "invalid_request",
        "asked for twice",
    ),
    "classification": (
        "decoder",
        {"inputs": [LATENT], "outputs": [{"name": "image", "parameters": {"classification": 1}}]},
        None,
        "invalid_request",
        "'classification'",
    ),
    "unknown parameter": (
        "decoder",
        {"inputs": [LATENT], "parameters": {"prior": "normal"}},
        None,
        "invalid_request",
        "'prior'",
    ),
    "parameter of another type": (
        "decoder",
        {"inputs": [LATENT], "parameters": {"binary_data_output": 1}},
        None,
        "invalid_request",
        "JSON bool",
    ),
    "time out at once": (
        "decoder",
        {"inputs": [LATENT], "parameters": {"timeout": 0}},
        None,
        "invalid_request",
        "microseconds",
    ),
    "too little time": (
        "decoder",
        {"inputs": [LATENT], "parameters": {"timeout": 1}},
        None,
        "deadline_exceeded",
        "deadline",
    ),
    "a number as id": ("decoder", {"inputs": [LATENT], "id": 7}, None, "invalid_request", "'id'"),
    "no images": (
        "sampler",
        {"inputs": [given("n", "INT64", [1], [0])]},
        None,
        "invalid_request",
        "n is 0",
    ),
    "too many images": (
        "sampler",
        {"inputs": [given("n", "INT64", [1], [9])]},
        None,
        "too_many_items",
        "9",
    ),
    "another prior": (
        "sampler",
        {"inputs": [N], "parameters": {"prior": ["fitted"]}},
        None,
        "invalid_request",
        "prior",
    ),
    "strengths of three": (
        "sampler",
        {"inputs": [N, given("strengths", "FP32", [2, 2], [0, 0, 0, 0])]},
        None,
        "shape_mismatch",
        "[3, 2]",
    ),
    "strength beyond": (
        "sampler",
        {"inputs": [N, given("strengths", "FP32", [1, 2], [11, 0])]},
        None,
        "invalid_request",
        "11",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_request_is_explained_in_the_form_of_the_protocol(
    case: str, app: Pair
) -> None:
    model, document, raw, slug, words = WRONG[case]
    answer = await infer(app[0], model, document, raw)
    body = answer.json()
    assert (body["slug"], answer.status_code) == (slug, ERRORS[slug].http_status), body
    assert words in body["error"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert app[1].engine.admission.in_flight == 0


@pytest.mark.parametrize("size", [-1, 0, 15, 17, 1 << 62, True, "16", None])
async def test_a_size_that_the_bytes_do_not_have(size: object, app: Pair) -> None:
    tensor = {**LATENT, "parameters": {"binary_data_size": size}}
    del tensor["data"]
    answer = await infer(app[0], "decoder", {"inputs": [tensor]}, RAW.tobytes())
    assert (answer.status_code, answer.json()["slug"]) == (400, "invalid_request")


@pytest.mark.parametrize("length", ["-1", "x", "", "1e3", "99999999", "9" * 5000, "0", "3", "²"])
async def test_a_length_of_the_head_that_cannot_be(length: str, app: Pair) -> None:
    headers = {LENGTH.encode(): length.encode()}
    answer = await app[0].post("/v2/models/decoder/infer", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["slug"]) == (400, "invalid_request")


async def test_other_bodies(app: Pair) -> None:
    client, _ = app
    url = "/v2/models/decoder/infer"
    for body in (b"", b"[]", b"{", b'{"inputs": NaN}', b"\xff", b"[" * 5000):
        answer = await client.post(url, content=body)
        assert answer.json()["slug"] in {"invalid_request", "too_many_items"}
    compressed = await client.post(url, content=b"x", headers={"Content-Encoding": "gzip"})
    assert compressed.status_code == 415
    large = await client.post(url, content=b" " * ((1 << 20) + 1))
    assert (large.status_code, large.json()["slug"]) == (413, "payload_too_large")


async def test_unknown_paths_and_methods_in_the_form_of_the_protocol(app: Pair) -> None:
    client, _ = app
    for method, path, status in (
        ("GET", "/v2/", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/v2/models/encoder/config", 404),
        ("GET", "/v2/models/encoder/infer", 405),
        ("POST", "/v2", 405),
    ):
        answer = await client.request(method, path)
        assert answer.status_code == status
        assert isinstance(answer.json()["error"], str)


async def test_a_fault_shows_nothing_of_the_inside(
    app: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client, runtime = app

    async def decode(*_: object) -> None:
        raise RuntimeError("a secret path")

    monkeypatch.setattr(runtime.engine, "decode", decode)
    answer = await infer(client, "decoder", {"inputs": [LATENT]})
    assert (answer.status_code, answer.json()["slug"]) == (500, "inference_failed")
    assert "secret" not in answer.text
    assert "a secret path" in caplog.text


async def test_the_labels_of_metrics_are_the_rows_of_the_table(app: Pair) -> None:
    client, runtime = app
    for name in ("decoder", "decodr", "anything"):
        await infer(client, name, {"inputs": [LATENT]})
    text = runtime.telemetry.exposition().decode()
    row = 'latentserve_requests_total{route="/v2/models/{model}/infer",slug="%s",status="%d"} %.1f'
    assert row % ("ok", 200, 1) in text
    assert row % ("model_not_found", 404, 2) in text
    assert "decodr" not in text


async def test_large_tensors_take_the_way_through_the_codec_threads(app: Pair) -> None:
    client, runtime = app
    images = np.full((8, 16, 16, 3), 64, np.uint8)
    tensor = given("image", "UINT8", list(images.shape), images.tolist())
    found = arrays_in(await infer(client, "encoder", {"inputs": [tensor]}))
    assert found["mean"] == pytest.approx(4 * (64 / 255 - 0.5), abs=1e-5)
    seconds = runtime.telemetry.registry.get_sample_value
    assert seconds("latentserve_items_in_flight") == 0

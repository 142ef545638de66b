"""Interpolation and arithmetic over HTTP: every kind of body, of answer and of refusal."""

from __future__ import annotations

import asyncio
import base64
import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pytest
import pytest_asyncio

from tests.support.http_app import JSON, NPY, array_of, npy, pixels_of, png, served
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import httpx

DARK, BRIGHT = png(51), png(204)
TEXTS = [base64.b64encode(data).decode() for data in (DARK, BRIGHT)]
LATENTS = [[4 * (grey / 255 - 0.5)] * 4 for grey in (51, 204)]
FILES = [("images", ("a.png", DARK)), ("image", ("b.png", BRIGHT))]
NPY_IN = {"Content-Type": "application/x-npy"}


@pytest_asyncio.fixture(name="client")
async def _client(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    async with served(write_tiny_bundle(tmp_path / "tiny"), max_items=8) as (client, _):
        yield client


def pixels(*levels: int) -> np.ndarray:
    return np.stack([np.full((16, 16, 3), level, np.uint8) for level in levels])


async def test_interpolation_takes_every_kind_of_body(client: httpx.AsyncClient) -> None:
    url, body = "/v1/interpolate", {"steps": 4}
    answers = [
        await client.post(url, json={"images": TEXTS, **body}, headers=NPY),
        await client.post(url, json={"latents": LATENTS, **body}, headers=NPY),
        await client.post(url, files=FILES, data={"steps": "4"}, headers=NPY),
        await client.post(
            f"{url}?steps=4", content=npy(pixels(51, 204)), headers={**NPY_IN, **NPY}
        ),
        await client.post(
            f"{url}?steps=4", content=npy(np.array(LATENTS)), headers={**NPY_IN, **NPY}
        ),
        await client.post(
            url,
            content=b'--x\r\nContent-Disposition: form-data; name="latents"\r\n\r\n'
            + orjson.dumps(LATENTS)
            + b'\r\n--x\r\nContent-Disposition: form-data; name="steps"\r\n\r\n4\r\n--x--\r\n',
            headers={**NPY, "Content-Type": "multipart/form-data; boundary=x"},
        ),
    ]
    for answer in answers:
        assert (array_of(answer)[:, 0, 0, 0] == [51, 102, 153, 204]).all()
        assert answer.headers["x-batch-size"] == "4"


async def test_an_interpolation_is_answered_in_every_form(client: httpx.AsyncClient) -> None:
    body = {"latents": LATENTS, "steps": 6, "columns": 6}
    exact = array_of(await client.post("/v1/interpolate", json=body, headers=NPY))
    document = (await client.post("/v1/interpolate", json=body, headers=JSON)).json()
    assert np.allclose(document["latents"], np.linspace(*LATENTS, 6))
    decoded = [pixels_of(base64.b64decode(text)) for text in document["images"]]
    assert (np.stack(decoded) == exact).all()
    sheet = await client.post("/v1/interpolate", json=body)
    assert sheet.headers["content-type"] == "image/png"
    assert array_of(sheet).shape == (16, 6 * 16 + 5 * 2, 3)
    for media_type in ("image/jpeg", "image/webp"):
        lossy = await client.post("/v1/interpolate", json=body, headers={"Accept": media_type})
        assert lossy.headers["content-type"] == media_type
        assert array_of(lossy).shape == (16, 106, 3)
    zipped = await client.post("/v1/interpolate", json=body, headers={"Accept": "application/zip"})
    with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
        assert (pixels_of(archive.read("image-0005.png")) == exact[5]).all()


async def test_the_path_has_an_effect(client: httpx.AsyncClient) -> None:
    ends = [[2, 0, 0, 0], [0, 2, 0, 0]]
    latents = [
        (
            await client.post(
                "/v1/interpolate", json={"latents": ends, "steps": 3, "path": path}, headers=JSON
            )
        ).json()["latents"][1]
        for path in ("linear", "spherical")
    ]
    assert latents[0] == [1, 1, 0, 0]
    assert latents[1] == pytest.approx([2**0.5, 2**0.5, 0, 0])


ARITHMETIC = "/v1/arithmetic"


async def test_arithmetic_takes_every_kind_of_body(client: httpx.AsyncClient) -> None:
    # Means: (51 + 204) / 2 + 102 - 51 = 178.5 grey levels above black, each at its latent.
    expected = (np.array(LATENTS).mean(axis=0) + 4 * (102 / 255 - 0.5) - LATENTS[0]).tolist()
    more = base64.b64encode(png(102)).decode()
    as_json = {"add": [TEXTS, [more]], "subtract": [[TEXTS[0]]]}
    mixed = {"add": [LATENTS, [more]], "subtract": [[LATENTS[0]]]}
    files = [
        ("add", ("a.png", DARK)),
        ("add", ("b.png", BRIGHT)),
        ("add[1]", ("c.png", png(102))),
        ("subtract", ("d.png", DARK)),
    ]
    texts = {"subtract": orjson.dumps([[LATENTS[0]]]).decode()}
    answers = [
        await client.post(ARITHMETIC, json=as_json, headers=JSON),
        await client.post(ARITHMETIC, json=mixed, headers=JSON),
        await client.post(ARITHMETIC, files=files, headers=JSON),
        await client.post(ARITHMETIC, files=files[:3], data=texts, headers=JSON),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.json()["latents"] == [pytest.approx(expected, abs=1e-5)]
        assert len(answer.json()["images"]) == 1


@pytest.mark.parametrize("array", [pixels(51, 204), np.array(LATENTS, np.float32)], ids=str)
async def test_one_array_is_one_group_to_add(array: Any, client: httpx.AsyncClient) -> None:
    answer = await client.post(ARITHMETIC, content=npy(array), headers={**NPY_IN, **NPY})
    assert np.abs(array_of(answer).astype(int) - 127.5).max() <= 0.5


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp", "application/zip"])
async def test_arithmetic_is_answered_in_every_form(
    media_type: str, client: httpx.AsyncClient
) -> None:
    answer = await client.post(
        ARITHMETIC, json={"add": [LATENTS[:1]]}, headers={"Accept": media_type}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type


WAY, SUM = "interpolate", "arithmetic"
ROW = LATENTS[0]
BAD: list[tuple[str, str, dict[str, Any], int, str, str]] = [
    ("one image", WAY, {"files": FILES[:1]}, 400, "invalid_request", "and got 1; send two"),
    ("three", WAY, {"json": {"latents": [ROW] * 3}}, 400, "invalid_request", "got 3; send two"),
    ("one latent", WAY, {"json": {"latents": [ROW]}}, 400, "invalid_request", "and got 1"),
    (
        "one of each",
        WAY,
        {"json": {"images": TEXTS[:1], "latents": [ROW]}},
        400,
        "invalid_request",
        "got both",
    ),
    ("nothing", WAY, {"json": {"steps": 3}}, 400, "invalid_request", "got neither"),
    ("no steps", WAY, {"json": {"latents": LATENTS, "steps": 0}}, 400, "invalid_request", "is 0"),
    ("one step", WAY, {"json": {"latents": LATENTS, "steps": 1}}, 400, "invalid_request", "is 1"),
    ("half", WAY, {"json": {"latents": LATENTS, "steps": 2.5}}, 400, "invalid_request", "is 2.5"),
    (
        "a million steps",
        WAY,
        {"json": {"latents": LATENTS, "steps": 10**6}},
        413,
        "too_many_items",
        "steps is 1000000, the limit is 8",
    ),
    (
        "path",
        WAY,
        {"json": {"latents": LATENTS, "path": "round"}},
        400,
        "invalid_request",
        "'linear' or 'spherical'",
    ),
    (
        "raw image",
        WAY,
        {"content": DARK, "headers": {"Content-Type": "image/png"}},
        415,
        "unsupported_media_type",
        "this route reads application/json, multipart/form-data, application/x-npy",
    ),
    ("short", WAY, {"json": {"latents": [ROW, [1]]}}, 422, "shape_mismatch", "row 1 has 1 values"),
    (
        "NaN",
        WAY,
        {"content": npy(np.full((2, 4), np.nan)), "headers": NPY_IN},
        400,
        "invalid_request",
        "latent nan in row 0",
    ),
    ("no groups", SUM, {"json": {}}, 400, "invalid_request", "'add' is missing"),
    ("empty", SUM, {"json": {"add": []}}, 400, "invalid_request", "'add' is missing or empty"),
    ("empty group", SUM, {"json": {"add": [[]]}}, 400, "invalid_request", "add[0] is an empty"),
    (
        "only subtract",
        SUM,
        {"json": {"subtract": [[ROW]]}},
        400,
        "invalid_request",
        "'add' is missing",
    ),
    ("no list", SUM, {"json": {"add": "x"}}, 400, "invalid_request", "add is a JSON str"),
    ("no group", SUM, {"json": {"add": TEXTS}}, 400, "invalid_request", "add[0] is a JSON str"),
    (
        "flat",
        SUM,
        {"json": {"add": [ROW]}},
        400,
        "invalid_request",
        "add[0][0] is a JSON float, but must be a base64 image or a row",
    ),
    (
        "mixed",
        SUM,
        {"json": {"add": [[TEXTS[0], ROW]]}},
        400,
        "invalid_request",
        "add[0] mixes images and latents",
    ),
    (
        "no base64",
        SUM,
        {"json": {"add": [[ROW]], "subtract": [[TEXTS[0], "!"]]}},
        400,
        "invalid_image",
        "subtract[0][1] is not base64",
    ),
    (
        "no image",
        SUM,
        {"json": {"add": [TEXTS, [TEXTS[0], base64.b64encode(b"GIF89a").decode()]]}},
        400,
        "invalid_image",
        "add[1][1]: the GIF image",
    ),
    (
        "length",
        SUM,
        {"json": {"add": [[ROW]], "subtract": [[ROW], [ROW, [1]]]}},
        422,
        "shape_mismatch",
        "subtract[1]: latents row 1 has 1 values",
    ),
    ("many", SUM, {"json": {"add": [[ROW]] * 9}}, 413, "too_many_items", "9 images and latents"),
    (
        "many files",
        SUM,
        {"files": [(f"add[{i}]", ("a", DARK)) for i in range(9)]},
        413,
        "too_many_items",
        "more than 8 files",
    ),
    (
        "many of both",
        SUM,
        {
            "files": [("add", ("a", DARK))] * 5,
            "data": {"subtract": orjson.dumps([[ROW] * 5]).decode()},
        },
        413,
        "too_many_items",
        "10 images and latents in its groups, the limit is 8",
    ),
    (
        "file's field",
        SUM,
        {"files": {"add[x]": DARK}},
        400,
        "invalid_request",
        "file part 'add[x]': this route takes add and subtract",
    ),
    ("raw", SUM, {"content": DARK, "headers": {"Content-Type": "image/png"}}, 415,
     "unsupported_media_type", "this route reads"),
    ("huge", SUM, {"content": b'{"add":[[[1e999,0,0,0]]]}'}, 400, "invalid_request", "infinity"),
    ("field", SUM, {"json": {"add": [[ROW]], "images": []}}, 400, "invalid_request",
     "unknown field 'images'; known are add, columns, subtract"),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=[row[0] for row in BAD])
async def test_a_bad_request_is_told_what_is_wrong(
    case: tuple[str, str, dict[str, Any], int, str, str], client: httpx.AsyncClient
) -> None:
    _, route, sent, status, slug, words = case
    if "content" in sent and "headers" not in sent:
        sent = {**sent, "headers": {"Content-Type": "application/json"}}
    answer = await client.post(f"/v1/{route}", **sent)
    error = answer.json()["error"]
    assert (answer.status_code, error["slug"]) == (status, slug), error
    assert words in error["message"]


async def test_bad_neighbours_change_nothing(client: httpx.AsyncClient) -> None:
    good = {"latents": LATENTS, "steps": 5}
    alone = (await client.post("/v1/interpolate", json=good, headers=NPY)).content
    sent = []
    for _, route, content, *_ in BAD:
        sent.append(client.post("/v1/interpolate", json=good, headers=NPY))
        sent.append(client.post(f"/v1/{route}", **content))
    answers = await asyncio.gather(*sent)
    for good_answer, bad_answer in zip(answers[::2], answers[1::2], strict=True):
        assert good_answer.content == alone
        assert 400 <= bad_answer.status_code < 500

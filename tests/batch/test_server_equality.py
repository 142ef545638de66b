"""A job's rows are the server's answers: the same bits for the same input."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support.batch_jobs import images_of, job, make_tree, rows_of, vectors
from tests.support.http_app import JSON, NPY, array_of, pixels_of, served
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

STRENGTHS = {"glasses": 0.7, "smile": -0.4}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny", latent=8)


def files_of(root: Path) -> list[tuple[str, Any]]:
    """The pictures of a tree in the job's order, as a form's files."""
    found = sorted(path for path in root.rglob("*") if path.is_file())
    return [("images", (path.name, path.read_bytes())) for path in found]


async def asked(
    client: httpx.AsyncClient, route: str, root: Path, headers: Any, **fields: Any
) -> httpx.Response:
    data = {name: json.dumps(value) for name, value in fields.items()}
    return await client.post(f"/v1/{route}", files=files_of(root), data=data, headers=headers)


async def test_encode_is_the_servers(bundle: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 13)
    async with served(bundle) as (client, _):
        answer = await asked(client, "encode", tmp_path / "in", NPY)
        wanted = array_of(answer)
    await asyncio.to_thread(job, bundle, "encode", tmp_path / "in", tmp_path / "out", batch_size=5)
    np.testing.assert_array_equal(vectors(rows_of(tmp_path / "out"), "mean"), wanted)


@pytest.mark.parametrize(
    ("operation", "fields"), [("reconstruct", {}), ("shift", {"attributes": STRENGTHS})]
)
async def test_images_are_the_servers(
    bundle: Path, tmp_path: Path, operation: str, fields: dict[str, Any]
) -> None:
    make_tree(tmp_path / "in", 13)
    async with served(bundle) as (client, _):
        wanted = array_of(await asked(client, operation, tmp_path / "in", NPY, **fields))
    more = {"strengths": fields["attributes"]} if fields else {}
    await asyncio.to_thread(
        job, bundle, operation, tmp_path / "in", tmp_path / "out", batch_size=5, **more
    )
    np.testing.assert_array_equal(images_of(rows_of(tmp_path / "out")), wanted)


async def test_detail_is_the_servers(bundle: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 6)
    async with served(bundle) as (client, _):
        answer = await asked(
            client, "shift", tmp_path / "in", JSON, attributes=STRENGTHS, detail=True
        )
    assert answer.status_code == 200, answer.text
    wanted = [pixels_of(base64.b64decode(text)) for text in answer.json()["images"]]
    await asyncio.to_thread(
        job, bundle, "shift", tmp_path / "in", tmp_path / "out", strengths=STRENGTHS, detail=True
    )
    np.testing.assert_array_equal(images_of(rows_of(tmp_path / "out")), np.stack(wanted))


async def test_decode_is_the_servers(bundle: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 13)
    await asyncio.to_thread(job, bundle, "encode", tmp_path / "in", tmp_path / "latents")
    latents = vectors(rows_of(tmp_path / "latents"), "mean")
    async with served(bundle) as (client, _):
        body = {"latents": latents.tolist()}
        wanted = array_of(await client.post("/v1/decode", json=body, headers=NPY))
    await asyncio.to_thread(
        job, bundle, "decode", tmp_path / "latents", tmp_path / "out", batch_size=5
    )
    np.testing.assert_array_equal(images_of(rows_of(tmp_path / "out")), wanted)


@pytest.mark.parametrize("prior", ["fitted", "normal"])
async def test_sample_is_the_servers(bundle: Path, tmp_path: Path, prior: str) -> None:
    asked_for = {"n": 30, "seed": 7, "temperature": 0.8, "prior": prior, "attributes": STRENGTHS}
    async with served(bundle) as (client, _):
        answer = (await client.post("/v1/sample", json=asked_for, headers=JSON)).json()
    more = {"seed": 7, "temperature": 0.8, "prior": prior, "strengths": STRENGTHS}
    await asyncio.to_thread(
        job, bundle, "sample", 30, tmp_path / "out", batch_size=7, shard_rows=11, **more
    )
    table = rows_of(tmp_path / "out")
    np.testing.assert_array_equal(vectors(table, "latent"), np.float32(answer["latents"]))
    assert table["image"].to_pylist() == [base64.b64decode(text) for text in answer["images"]]


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n cut short"])
async def test_a_failure_is_the_servers(bundle: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(content)
    async with served(bundle) as (client, _):
        body = {"images": [base64.b64encode(content).decode()]}
        answer = (await client.post("/v1/encode", json=body)).json()["error"]
    await asyncio.to_thread(job, bundle, "encode", tmp_path / "in", tmp_path / "out")
    (row,) = rows_of(tmp_path / "out").to_pylist()
    assert row["error_slug"] == answer["slug"]
    if content:  # the server knows already of the form that there is nothing in it
        assert answer["message"].endswith(row["error_message"])

"""Shifts with detail over HTTP: the caller's own picture comes back, changed where it must be."""

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
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from inference import image_decode
from tests.support.http_app import JSON, NPY, array_of, npy, pixels_of, png_of, served
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import httpx

    from service.runtime import Runtime

Pair = tuple["httpx.AsyncClient", "Runtime"]
PHOTO = np.random.default_rng(0).integers(60, 140, (60, 90, 3), np.uint8)
GLASSES = {"glasses": 1}
FIELDS = {"attributes": orjson.dumps(GLASSES).decode(), "detail": "true"}
NOTHING = {"attributes": "{}", "detail": "true"}
ZIP = {"Accept": "application/zip"}


@pytest_asyncio.fixture(name="app")
async def _app(tmp_path: Path) -> AsyncGenerator[Pair]:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    async with served(bundle, max_items=8, max_image_pixels=6000) as pair:
        yield pair


@pytest.fixture
def client(app: Pair) -> httpx.AsyncClient:
    return app[0]


def check_glasses(result: np.ndarray, photo: np.ndarray = PHOTO) -> None:
    """The tiny model's glasses: its uppermost band, in the middle square, is 64 levels brighter."""
    assert result.shape == photo.shape
    difference = result.astype(int) - photo
    assert not difference[:, :15].any()
    assert not difference[:, 75:].any()
    assert not difference[30:].any()
    assert (np.abs(difference[2:10, 30:60] - 64) <= 1).all()


async def test_detail_takes_every_kind_of_body(client: httpx.AsyncClient) -> None:
    picture = png_of(PHOTO)
    text = base64.b64encode(picture).decode()
    in_url = '/v1/shift?detail=true&attributes={"glasses": 1}'
    answers = [
        await client.post("/v1/shift", files={"image": picture}, data=FIELDS),
        await client.post(
            "/v1/shift", json={"images": [text], "attributes": GLASSES, "detail": True}
        ),
        await client.post(in_url, content=picture, headers={"Content-Type": "image/png"}),
        await client.post(
            in_url, content=npy(PHOTO), headers={"Content-Type": "application/x-npy"}
        ),
    ]
    for answer in answers:
        assert answer.headers["content-type"] == "image/png"
        check_glasses(array_of(answer))
        assert answer.content == answers[0].content


async def test_detail_is_answered_in_every_form(client: httpx.AsyncClient) -> None:
    sent: dict[str, Any] = {"files": [("images", ("a", png_of(PHOTO)))] * 2, "data": FIELDS}
    exact = array_of(await client.post("/v1/shift", **sent, headers=NPY))
    assert exact.shape == (2, *PHOTO.shape)
    check_glasses(exact[1])
    document = (await client.post("/v1/shift", **sent, headers=JSON)).json()
    for text in document["images"]:
        check_glasses(pixels_of(base64.b64decode(text)))
    assert np.shape(document["latents"]) == (2, 4)
    sheet = array_of(await client.post("/v1/shift", **sent))
    assert sheet.shape == (60, 182, 3)
    check_glasses(sheet[:, 92:])
    for media_type in ("image/jpeg", "image/webp"):
        lossy = await client.post("/v1/shift", **sent, headers={"Accept": media_type})
        assert array_of(lossy).shape == (60, 182, 3)
    zipped = await client.post("/v1/shift", **sent, headers=ZIP)
    with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
        check_glasses(pixels_of(archive.read("image-0001.png")))


async def test_no_strength_leaves_every_mode_to_the_bit(client: httpx.AsyncClient) -> None:
    random = np.random.default_rng(1)
    own = [random.integers(0, 256, (33, 21, channels), np.uint8) for channels in (1, 2, 3, 4)]
    files = [("images", (f"{index}", png_of(each))) for index, each in enumerate(own)]
    answer = await client.post("/v1/shift", files=files, data=NOTHING, headers=ZIP)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        for name, picture in zip(archive.namelist(), own, strict=True):
            np.testing.assert_array_equal(pixels_of(archive.read(name)), picture)


async def test_the_result_stands_upright(client: httpx.AsyncClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.rot90(PHOTO))).save(stored, "PNG", exif=exif)
    answer = await client.post("/v1/shift", files={"image": stored.getvalue()}, data=FIELDS)
    check_glasses(array_of(answer))


async def test_transparent_pictures_stay_so_where_the_format_can(client: httpx.AsyncClient) -> None:
    alpha = np.full((60, 90, 1), 255, np.uint8)
    alpha[:, 40:] = 0
    files = {"image": png_of(np.dstack([PHOTO, alpha]))}
    kept = array_of(await client.post("/v1/shift", files=files, data=NOTHING))
    np.testing.assert_array_equal(kept, np.dstack([PHOTO, alpha]))
    jpeg = await client.post(
        "/v1/shift", files=files, data=NOTHING, headers={"Accept": "image/jpeg"}
    )
    assert array_of(jpeg)[:, 50:].min() > 245
    webp = await client.post(
        "/v1/shift", files=files, data=NOTHING, headers={"Accept": "image/webp"}
    )
    assert array_of(webp)[0, 0].tolist()[3] == 255
    assert not array_of(webp)[:, 50:, 3].any()


async def test_a_grey_model_changes_a_colour_picture_and_the_reverse(tmp_path: Path) -> None:
    grey = write_tiny_bundle(tmp_path / "grey", channels=1)
    async with served(grey) as (client, _):
        check_glasses(
            array_of(await client.post("/v1/shift", files={"image": png_of(PHOTO)}, data=FIELDS))
        )
    colour = write_tiny_bundle(tmp_path / "colour")
    async with served(colour) as (client, _):
        photo = PHOTO[:, :, :1]
        answer = await client.post("/v1/shift", files={"image": png_of(photo)}, data=FIELDS)
        check_glasses(pixels_of(answer.content), photo)


@pytest.mark.parametrize("crop", ["pad", "place", "squash"])
async def test_every_crop_rule_finds_its_way_back(crop: Any, tmp_path: Path) -> None:
    async with served(write_tiny_bundle(tmp_path / "tiny", crop=crop)) as (client, _):
        photo = np.full((8, 12, 3), 100, np.uint8)
        data = {"attributes": '{"smile": 1}', "detail": "true"}
        answer = await client.post("/v1/shift", files={"image": png_of(photo)}, data=data)
        rows = array_of(answer)[:, 6, 0].astype(int)
        # The tiny model's smile darkens the top and brightens the bottom.
        assert rows[0] < 100 < rows[-1]
        assert (np.diff(rows) > -8).all()


def bad_files(*shapes: tuple[int, int]) -> list[Any]:
    return [("images", ("a", png_of(np.zeros((*shape, 3), np.uint8)))) for shape in shapes]


@pytest.mark.parametrize("accept", ["*/*", "image/webp", "application/x-npy"])
async def test_pictures_of_several_sizes_need_a_form_that_holds_them(
    accept: str, client: httpx.AsyncClient
) -> None:
    files = bad_files((20, 20), (20, 30))
    answer = await client.post("/v1/shift", files=files, data=FIELDS, headers={"Accept": accept})
    assert answer.status_code == 406
    error = answer.json()["error"]
    assert error["slug"] == "not_acceptable"
    assert error["offers"] == ["application/zip", "application/json"]
    for headers in (ZIP, JSON):
        assert (
            await client.post("/v1/shift", files=files, data=FIELDS, headers=headers)
        ).is_success


async def test_refusals(client: httpx.AsyncClient) -> None:
    latents = {"latents": [[0] * 4], "attributes": {}, "detail": True}
    cases = [
        ({"json": latents}, 400, "invalid_request", "send images, or leave detail out"),
        (
            {"files": bad_files((5, 5)), "data": {**FIELDS, "detail": "yes"}},
            400,
            "invalid_request",
            "'detail' is 'yes'",
        ),
        (
            {"files": bad_files((5, 5), (61, 100)), "data": FIELDS},
            400,
            "invalid_image",
            "image 1: the image has 0.0061 megapixels",
        ),
        (
            {"files": bad_files(*[(60, 100)] * 5), "data": FIELDS},
            413,
            "payload_too_large",
            "the limit with `detail` is 0.024 (4 × `max_image_pixels`)",
        ),
        (
            {"files": [("image", ("a", b"GIF89a"))], "data": FIELDS},
            400,
            "invalid_image",
            "image 0: the GIF",
        ),
        (
            {"files": bad_files((5, 5)), "data": {**FIELDS, "attributes": '{"hat": 1}'}},
            404,
            "unknown_attribute",
            "'hat'",
        ),
    ]
    for sent, status, slug, words in cases:
        answer = await client.post("/v1/shift", **sent)  # type: ignore[arg-type]
        error = answer.json()["error"]
        assert (answer.status_code, error["slug"]) == (status, slug), error
        assert words in error["message"]


async def test_what_running_requests_hold_together_is_bounded(app: Pair) -> None:
    client, runtime = app
    files = bad_files(*[(60, 100)] * 2)
    with runtime.pictures.lease() as take:
        take(runtime.pictures.limit - 6000)
        answer = await client.post("/v1/shift", files=files, data=FIELDS)
        assert answer.status_code == 429
        assert answer.json()["error"]["slug"] == "queue_full"
        assert answer.headers["retry-after"] == "1"
    assert (await client.post("/v1/shift", files=files, data=FIELDS)).is_success
    assert runtime.pictures.held == 0


async def test_each_picture_is_decoded_once(app: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []

    def noted(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def note(*args: Any) -> Any:
            decoded.append(name)
            return function(*args)

        monkeypatch.setattr(owner, name, note)

    # Both ways to an image's pixels.
    noted(image_decode, "plain_pixels")
    noted(PngImageFile, "load_prepare")
    profile = io.BytesIO()
    Image.fromarray(PHOTO).save(profile, "PNG", icc_profile=b"nothing that is read in passing")
    for picture, way in ((png_of(PHOTO), "plain_pixels"), (profile.getvalue(), "load_prepare")):
        decoded.clear()
        answer = await app[0].post("/v1/shift", files={"image": picture}, data=FIELDS)
        assert answer.is_success
        assert decoded == [way]


async def test_a_neighbour_notices_nothing(client: httpx.AsyncClient) -> None:
    picture = png_of(PHOTO[:20, :20])
    files = {"image": picture}
    plain: dict[str, Any] = {"files": files, "data": {"attributes": '{"smile": 1}'}}
    alone = (await client.post("/v1/shift", **plain, headers=NPY)).content
    detailed = (await client.post("/v1/shift", files=files, data=FIELDS)).content
    damaged = picture[:-60]
    sent = []
    for _ in range(8):
        sent.append(client.post("/v1/shift", **plain, headers=NPY))
        sent.append(client.post("/v1/shift", files=files, data=FIELDS))
        sent.append(client.post("/v1/shift", files={"image": damaged}, data=FIELDS))
    answers = await asyncio.gather(*sent)
    assert {answer.content for answer in answers[::3]} == {alone}
    assert {answer.content for answer in answers[1::3]} == {detailed}
    assert {answer.status_code for answer in answers[2::3]} == {400}

"""Results as bytes: every media type gives the same pixels back."""

from __future__ import annotations

import base64
import io
import zipfile

import numpy as np
import orjson
import pytest
from PIL import Image

from service.rendering import IMAGE_OFFERS, render_images, render_vectors

PIXELS = np.random.default_rng(3).integers(0, 256, (3, 4, 5, 3), np.uint8)


def pixels_of(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_one_image_is_itself() -> None:
    assert (pixels_of(render_images(PIXELS[:1], "image/png", None, {})) == PIXELS[0]).all()


def test_several_are_a_contact_sheet_of_that_many_columns() -> None:
    wide = pixels_of(render_images(PIXELS, "image/png", 3, {}))
    tall = pixels_of(render_images(PIXELS, "image/png", 1, {}))
    assert wide.shape[1] > 3 * 5 > wide.shape[0]
    assert tall.shape[0] > 3 * 4 > tall.shape[1]
    assert (wide[:4, :5] == PIXELS[0]).all()


def test_json_holds_each_image_and_the_facts() -> None:
    latents = np.array([[0.1, 2]], np.float32)
    body = render_images(PIXELS, "application/json", None, {"seed": 7, "latents": latents})
    document = orjson.loads(body)
    assert document["seed"] == 7
    assert np.array_equal(np.array(document["latents"], np.float32), latents)
    found = [pixels_of(base64.b64decode(text)) for text in document["images"]]
    assert (np.stack(found) == PIXELS).all()


def test_an_array_is_exact() -> None:
    body = render_images(PIXELS, "application/x-npy", None, {})
    assert (np.load(io.BytesIO(body)) == PIXELS).all()


def test_an_archive_holds_one_png_each_and_is_reproducible() -> None:
    body = render_images(PIXELS, "application/zip", None, {})
    assert body == render_images(PIXELS, "application/zip", None, {})
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        names = archive.namelist()
        assert names == ["image-0000.png", "image-0001.png", "image-0002.png"]
        assert (pixels_of(archive.read(names[2])) == PIXELS[2]).all()


@pytest.mark.parametrize("media_type", IMAGE_OFFERS)
def test_every_offer_can_be_rendered(media_type: str) -> None:
    assert render_images(PIXELS, media_type, None, {})


def test_vectors() -> None:
    mean = np.array([[1 / 3, -2]], np.float32)
    logvar = np.array([[0, -4]], np.float32)
    document = orjson.loads(render_vectors(mean, logvar, "application/json"))
    assert np.array_equal(np.array(document["mean"], np.float32), mean)
    assert np.array_equal(np.array(document["logvar"], np.float32), logvar)
    body = render_vectors(mean, logvar, "application/x-npy")
    assert np.array_equal(np.load(io.BytesIO(body)), mean)

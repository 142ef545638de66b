"""From a folder of image files to an answer over HTTP, by the commands that the README names."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.support.pictures import pictures
from tests.support.server import running

if TYPE_CHECKING:
    from pathlib import Path


def _latentserve(*words: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "cli.main", *words], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """900 image files in a folder for each of two classes, two of them no images at all."""
    root = tmp_path_factory.mktemp("whole") / "photos"
    data = pictures(900, size=20)
    for name in ("plain", "bar"):
        (root / name).mkdir(parents=True)
    for key, image, (bar, _) in zip(data.keys, data.images, data.labels, strict=True):
        Image.fromarray(image[..., 0]).save(root / ("bar" if bar else "plain") / f"{key}.png")
    (root / "bar" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    (root / "plain" / "notes.txt").write_text("not an image")
    return root


def test_a_folder_of_photos_becomes_a_service(photos: Path) -> None:
    run, model = str(photos.parent / "run"), photos.parent / "models" / "bars"
    shown = _latentserve("data", "show", str(photos), "--size", "32")
    assert "900 images" in shown
    assert "broken.png" in shown
    options = ("--preset", "fashion-32", "--epochs", "2", "--accelerator", "cpu")
    _latentserve("train", *options, "--data", str(photos), "--out", run)
    _latentserve("export", run, "--out", str(model), "--quick")
    photo = next((photos / "plain").glob("*.png")).read_bytes()
    with (
        running(model, "--device", "cpu") as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
    ):
        facts = client.get("/v1/model").json()
        assert facts["name"] == "bars"
        assert set(facts["attributes"]) == {"bar", "plain"}
        encoded = client.post(
            "/v1/encode", content=photo, headers={"Content-Type": "image/png"}
        ).json()
        assert np.isfinite(encoded["mean"]).all()
        decoded = client.post("/v1/decode", json={"latents": encoded["mean"]})
        shifted = client.post(
            "/v1/shift",
            files={"image": photo},
            data={"attributes": '{"bar": 1, "plain": -1}'},
        )
        for answer in (decoded, shifted):
            with Image.open(io.BytesIO(answer.content)) as picture:
                assert (picture.size, picture.mode) == ((32, 32), "L")
        assert decoded.content != shifted.content

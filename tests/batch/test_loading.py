"""Items in: whatever they are, they become an array or say why not."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from batch.items import Failure
from batch.loading import Loader
from inference import images
from tests.support.batch_jobs import picture
from tests.support.tiny_bundle import tiny_bundle_content

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST, _ = tiny_bundle_content()
LIMITS = images.ImageLimits(1000)
LOAD = Loader(MANIFEST, LIMITS, max_image_bytes=2000)


def failure(content: object, load: Loader = LOAD) -> Failure:
    found = load(content)  # type: ignore[arg-type]
    assert isinstance(found, Failure)
    return found


def bomb() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (5000, 5000)).save(buffer, "PNG")
    return buffer.getvalue()[:1500]


def test_images_are_what_the_server_makes_of_them(tmp_path: Path) -> None:
    data = picture(1)
    (tmp_path / "a.png").write_bytes(data)
    wanted = images.decode(data, MANIFEST.image, LIMITS)
    for content in (data, tmp_path / "a.png"):
        np.testing.assert_array_equal(LOAD(content), wanted)
    whole = Loader(MANIFEST, LIMITS, max_image_bytes=2000, whole=True)
    np.testing.assert_array_equal(whole(data), images.read(data, LIMITS))


def test_latents_are_checked_one_by_one() -> None:
    good = LOAD(np.arange(4, dtype=np.float64))
    assert isinstance(good, np.ndarray)
    assert good.dtype == np.float32
    np.testing.assert_array_equal(good, [0, 1, 2, 3])
    assert failure(np.zeros(5, np.float32)).slug == "shape_mismatch"
    assert failure(np.zeros(4, np.int64)).slug == "shape_mismatch"
    for bad in (np.nan, np.inf, 1e7):
        assert failure(np.array([0, 0, bad, 0], np.float32)).slug == "invalid_request"


@pytest.mark.parametrize(
    ("data", "slug", "message"),
    [
        (b"", "invalid_image", "0 bytes"),
        (b"no image at all", "unsupported_media_type", "no image format"),
        (picture(1)[:300], "invalid_image", "damaged or cut short"),
        (bomb(), "invalid_image", "25 megapixels"),
        (b"x" * 2001, "payload_too_large", "more than 2000 bytes"),
    ],
)
def test_a_bad_image_is_a_failure(tmp_path: Path, data: bytes, slug: str, message: str) -> None:
    (tmp_path / "a.png").write_bytes(data)
    for content in (data, tmp_path / "a.png"):
        found = failure(content)
        assert found.slug == slug
        assert message in found.message


def test_a_file_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "dead.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for name in ("dead.png", "loop.png", "none.png", "x" * 300, "a\0b"):
        found = failure(tmp_path / name)
        assert found.slug == "unreadable_file"
        assert "cannot be read" in found.message


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert "but a pipe" in failure(tmp_path / "pipe.png").message
    assert "but a folder" in failure(tmp_path).message
    assert failure(tmp_path).slug == "invalid_request"


def test_a_failure_stays_what_it_is() -> None:
    known = Failure("linked_folder", "why")
    assert LOAD(known) is known

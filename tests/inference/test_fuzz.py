"""Thousands of damaged files one after the other: nothing crashes, and no memory stays behind."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from bundle.manifest import ImageSpec
from inference import arrays, images
from inference.errors import ServingError
from inference.images import ImageLimits
from tests.support.fuzz import MEMORY, damaged, resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 3000
WARM = 500
MAY_GROW_BYTES = 8 << 20
"""A leak of a small picture every round would be 15 MB."""
SPEC = ImageSpec(height=8, width=8, channels=3, resize="box", crop="centre")
LIMITS = ImageLimits(max_image_pixels=10_000)


def _pictures() -> list[bytes]:
    """One file of each kind that is read, 48 × 36."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (36, 48, 3), np.uint8))
    found = []
    for kind, options in (
        ("PNG", {}),
        ("JPEG", {"quality": 70}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("BMP", {}),
    ):
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        found.append(buffer.getvalue())
    return found


def _arrays() -> list[bytes]:
    found = []
    for array in (np.zeros((5, 4), np.float32), np.zeros((2, 36, 48, 3), np.uint8)):
        buffer = io.BytesIO()
        np.save(buffer, array)
        found.append(buffer.getvalue())
    return found


def _read_picture(data: bytes) -> None:
    assert images.decode(data, SPEC, LIMITS).shape == (8, 8, 3)


def _read_array(data: bytes) -> None:
    assert arrays.read_npy(data, max_items=5).nbytes <= len(data)


@pytest.mark.skipif(not MEMORY.exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(
    ("files", "read"),
    [(_pictures(), _read_picture), (_arrays(), _read_array)],
    ids=["pictures", "npy"],
)
def test_thousands_of_damaged_files_leave_nothing(
    files: list[bytes], read: Callable[[bytes], None]
) -> None:
    rng = np.random.default_rng(1)
    refused, before = 0, 0
    for number in range(ROUNDS):
        if number == WARM:
            before = resident_bytes()
        try:
            read(damaged(files, rng))
        except ServingError:
            refused += 1
    assert ROUNDS / 10 < refused < ROUNDS  # some are still whole enough
    assert resident_bytes() - before < MAY_GROW_BYTES

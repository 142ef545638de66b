from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bundle.manifest import ImageSpec
from training.data import load
from training.data.draw_set import draw_faces
from training.data.drawn import ATTRIBUTES, LICENCE, draw, labels, random_face

if TYPE_CHECKING:
    from pathlib import Path


def test_a_drawn_set_is_read_back_as_it_was_drawn(tmp_path: Path) -> None:
    drawn: list[tuple[int, int]] = []
    draw_faces(
        tmp_path / "faces",
        count=12,
        size=32,
        seed=5,
        processes=1,
        progress=lambda *seen: drawn.append(seen),
    )
    spec = ImageSpec(height=32, width=32, channels=3, resize="box", crop="centre")
    data = load(tmp_path / "faces", spec)
    assert drawn[-1] == (len(data), 12) == (12, 12)
    assert data.attributes == ATTRIBUTES
    assert data.licence == LICENCE
    faces = [random_face(5, index) for index in range(12)]
    np.testing.assert_array_equal(data.images, np.stack([draw(face, 32) for face in faces]))
    np.testing.assert_array_equal(data.labels, np.array([labels(face) for face in faces]))

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from training.data.drawn import ATTRIBUTES, draw, labels, random_face, with_attribute

FACES = [random_face(3, index) for index in range(24)]


def test_a_face_depends_on_seed_and_number_alone() -> None:
    assert random_face(3, 5) == FACES[5]
    assert random_face(4, 5) != FACES[5]


def test_drawings_are_the_same_each_time() -> None:
    first, second = (draw(FACES[0], 32) for _ in range(2))
    assert first.shape == (32, 32, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
@pytest.mark.parametrize("present", [True, False])
def test_setting_an_attribute_sets_it_and_shows(attribute: str, present: bool) -> None:
    index = ATTRIBUTES.index(attribute)
    seen = [face for face in FACES if face.hat is None or attribute == "hat"]
    other = [face for face in seen if labels(face)[index] != present]
    assert other
    for face in other[:3]:
        changed = with_attribute(face, attribute, present=present)
        assert labels(changed)[index] == present
        assert np.abs(draw(face, 64).astype(int) - draw(changed, 64)).max() > 40


def test_setting_an_attribute_leaves_the_other_factors() -> None:
    face = FACES[0]
    changed = with_attribute(face, "beard", present=face.beard is None)
    differing = [f.name for f in fields(face) if getattr(face, f.name) != getattr(changed, f.name)]
    assert differing == ["beard"]


def test_every_attribute_comes_and_is_missing_often() -> None:
    truth = np.array([labels(random_face(0, index)) for index in range(2000)])
    share = truth.mean(axis=0)
    assert share.min() > 0.15
    assert share.max() < 0.6
    glasses, sunglasses = (truth[:, ATTRIBUTES.index(n)] for n in ("glasses", "sunglasses"))
    assert not (glasses & sunglasses).any()


def test_an_unknown_attribute_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no attribute 'beart'; the drawings have glasses, "):
        with_attribute(FACES[0], "beart", present=True)

"""Crop rules: where any source lies on the model's canvas."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.geometry import Placement, placement
from bundle.manifest import ImageSpec

Crop = Literal["centre", "pad", "squash"]
SIDES = st.integers(1, 70_000)
TARGETS = st.integers(1, 512)


def spec(height: int, width: int, crop: Crop) -> ImageSpec:
    return ImageSpec(height=height, width=width, channels=3, resize="box", crop=crop)


@pytest.mark.parametrize("crop", ["centre", "pad", "squash"])
def test_an_image_of_the_models_size_stays_as_it_is(crop: Crop) -> None:
    assert placement(32, 48, spec(48, 32, crop)) == Placement((0, 0, 32, 48), (32, 48), (0, 0))


def test_centre_cuts_the_middle_of_the_longer_side() -> None:
    assert placement(200, 100, spec(64, 64, "centre")).box == (50, 0, 150, 100)
    assert placement(100, 200, spec(64, 64, "centre")).box == (0, 50, 100, 150)


def test_pad_keeps_the_aspect_in_the_middle() -> None:
    assert placement(200, 100, spec(64, 64, "pad")) == Placement(
        (0, 0, 200, 100), (64, 32), (0, 16)
    )


def test_squash_takes_all_to_all() -> None:
    assert placement(200, 100, spec(64, 32, "squash")) == Placement(
        (0, 0, 200, 100), (32, 64), (0, 0)
    )


@given(
    width=SIDES,
    height=SIDES,
    target_width=TARGETS,
    target_height=TARGETS,
    crop=st.sampled_from(["centre", "pad", "squash"]),
)
def test_box_and_canvas_are_never_left(
    width: int, height: int, target_width: int, target_height: int, crop: Crop
) -> None:
    where = placement(width, height, spec(target_height, target_width, crop))
    left, top, right, bottom = where.box
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert 1 <= where.size[0] <= target_width - where.offset[0]
    assert 1 <= where.size[1] <= target_height - where.offset[1]
    assert min(where.offset) >= 0


@given(width=SIDES, height=SIDES, target_width=TARGETS, target_height=TARGETS)
def test_centre_keeps_the_aspect_and_touches_two_borders(
    width: int, height: int, target_width: int, target_height: int
) -> None:
    left, top, right, bottom = placement(
        width, height, spec(target_height, target_width, "centre")
    ).box
    assert (right - left) * target_height == pytest.approx((bottom - top) * target_width, rel=1e-6)
    whole_width = (left, right) == pytest.approx((0, width), abs=1e-6)
    whole_height = (top, bottom) == pytest.approx((0, height), abs=1e-6)
    assert whole_width or whole_height
    assert left == pytest.approx(width - right, abs=1e-6)
    assert top == pytest.approx(height - bottom, abs=1e-6)

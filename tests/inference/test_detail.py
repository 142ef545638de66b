"""Details on the caller's own picture: in its window what the shift changes, elsewhere no bit."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.geometry import Placement, placement
from bundle.manifest import ImageSpec
from inference.detail import overlay

Crop = Literal["centre", "pad", "place", "squash"]
CROPS: tuple[Crop, ...] = ("centre", "pad", "place", "squash")


def spec(
    height: int = 16, width: int = 16, channels: Literal[1, 3] = 3, crop: Crop = "centre"
) -> ImageSpec:
    return ImageSpec(height=height, width=width, channels=channels, resize="box", crop=crop)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def window(where: Placement) -> tuple[slice, slice]:
    left, top, right, bottom = where.box
    return slice(math.floor(top), math.ceil(bottom)), slice(math.floor(left), math.ceil(right))


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    own=st.integers(1, 4),
    channels=st.sampled_from([1, 3]),
    model=st.tuples(st.integers(4, 20), st.integers(4, 20)),
    crop=st.sampled_from(CROPS),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=150)
def test_what_the_model_did_not_see_keeps_its_bits(
    *,
    size: tuple[int, int],
    own: int,
    channels: Literal[1, 3],
    model: tuple[int, int],
    crop: Crop,
    seed: int,
) -> None:
    image = spec(*model, channels, crop)
    picture = noise(*size, own, seed=seed)
    before, after = noise(*image.shape, seed=seed + 1), noise(*image.shape, seed=seed + 2)
    where = placement(size[1], size[0], image)
    kept = picture.copy()
    result = overlay(picture, before, after, where)
    assert result.shape == picture.shape
    assert result.dtype == np.uint8
    assert not np.shares_memory(result, picture)
    np.testing.assert_array_equal(picture, kept)
    outside = np.ones(size, np.bool_)
    outside[window(where)] = False
    np.testing.assert_array_equal(result[outside], picture[outside])
    if own in {2, 4}:
        np.testing.assert_array_equal(result[..., -1], picture[..., -1])
    np.testing.assert_array_equal(overlay(picture, before, before, where), picture)


def test_at_the_models_own_size_the_difference_is_added_as_it_is() -> None:
    picture, before, after = (noise(16, 16, 3, seed=seed) for seed in range(3))
    result = overlay(picture, before, after, placement(16, 16, spec()))
    expected = np.clip(picture.astype(int) + after - before, 0, 255)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("crop", CROPS)
def test_an_even_change_is_the_same_at_every_size(crop: Crop) -> None:
    image = spec(crop=crop)
    before, after = np.full(image.shape, 100, np.uint8), np.full(image.shape, 130, np.uint8)
    for height, width in ((16, 16), (64, 64), (5, 5), (300, 300)):
        picture = np.full((height, width, 3), 50, np.uint8)
        # A picture of which the model saw everything: there is no edge to fade towards.
        result = overlay(picture, before, after, placement(width, height, image))
        assert (result == 80).all()


def test_a_mark_lands_where_the_model_saw_it() -> None:
    before = np.zeros((16, 16, 3), np.uint8)
    after = before.copy()
    after[4:6, 10:12] = 200
    picture = np.zeros((160, 480, 3), np.uint8)
    result = overlay(picture, before, after, placement(480, 160, spec()))
    rows, columns = np.nonzero(result[:, :, 0] > 100)
    # The window is 160 wide and begins at 160; each of the model's pixels covers ten.
    assert (rows.min(), rows.max()) == pytest.approx((40, 59), abs=2)
    assert (columns.min(), columns.max()) == pytest.approx((160 + 100, 160 + 119), abs=2)


def test_a_padded_picture_is_not_touched_by_what_happens_in_the_bars() -> None:
    before = np.zeros((16, 16, 1), np.uint8)
    after = before.copy()
    after[:4] = after[12:] = 250
    picture = noise(100, 200, 1)
    where = placement(200, 100, spec(channels=1, crop="pad"))
    np.testing.assert_array_equal(overlay(picture, before, after, where), picture)


def test_the_change_fades_out_where_the_picture_goes_on() -> None:
    before, after = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 64, np.uint8)
    picture = np.zeros((128, 256, 3), np.uint8)
    line = overlay(picture, before, after, placement(256, 128, spec(64, 64)))[60, :, 0].astype(int)
    assert (line[:64] == 0).all()
    assert (line[90:166] == 64).all()
    assert np.abs(np.diff(line)).max() <= 8
    # Above and below it ends with the picture itself, and stays whole.
    column = overlay(picture, before, after, placement(256, 128, spec(64, 64)))[:, 128, 0]
    assert (column == 64).all()


def test_large_pictures_are_worked_on_in_parts_without_seams() -> None:
    image = spec()
    ramp = np.broadcast_to(np.linspace(0, 240, 16).astype(np.uint8)[:, None, None], image.shape)
    picture = np.zeros((1100, 40, 3), np.uint8)
    result = overlay(
        picture, np.zeros_like(ramp), ramp, Placement((0, 0, 40, 1100), (16, 16), (0, 0))
    )
    steps = np.diff(result[:, 20, 0].astype(int))
    assert steps.min() >= -1
    assert steps.max() <= 1


def test_a_grey_picture_stays_grey_and_takes_the_luma() -> None:
    before = np.zeros((16, 16, 3), np.uint8)
    red = before.copy()
    red[:, :, 0] = 200
    where = placement(16, 16, spec())
    grey = np.full((16, 16, 1), 10, np.uint8)
    assert (overlay(grey, before, red, where) == 10 + 60).all()
    with_alpha = np.dstack([grey, noise(16, 16, 1)])
    assert (overlay(with_alpha, before, red, where)[:, :, 0] == 70).all()


def test_a_colour_picture_takes_a_grey_change_on_every_channel() -> None:
    before, after = np.full((16, 16, 1), 60, np.uint8), np.full((16, 16, 1), 50, np.uint8)
    picture = np.broadcast_to(np.array([5, 100, 200, 77], np.uint8), (16, 16, 4))
    result = overlay(picture, before, after, placement(16, 16, spec(channels=1)))
    assert (result == [0, 90, 190, 77]).all()

"""Pixel scaling: every grey level survives, everything between is rounded and clipped."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bundle.pixels import to_grey_levels, to_unit


def test_every_grey_level_survives_the_way_there_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(2, 128)
    unit = to_unit(levels)
    assert unit.dtype == np.float32
    assert unit.min() == 0
    assert abs(unit.max() - 1) < 1e-6
    np.testing.assert_array_equal(to_grey_levels(unit), levels)


def test_values_outside_are_clipped() -> None:
    unit = np.array([-5, -0.001, 1.001, 5, np.inf, -np.inf], np.float32)
    assert to_grey_levels(unit).tolist() == [0, 0, 255, 255, 255, 0]


@given(st.floats(0, 1, width=32))
def test_the_nearest_level_is_taken(value: float) -> None:
    level = int(to_grey_levels(np.array([value], np.float32))[0])
    assert abs(level - value * 255) <= 0.5 + 1e-4

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.interpolation import between
from training.report.paths import linear, spherical

LATENTS = st.lists(
    st.floats(-50, 50, width=32).filter(lambda value: value == 0 or abs(value) > 1e-3),
    min_size=3,
    max_size=3,
)


@given(LATENTS, LATENTS, st.integers(2, 9))
def test_the_report_goes_the_ways_that_the_server_goes(
    start: list[float], end: list[float], steps: int
) -> None:
    ends = np.array((start, end), np.float32)
    for name, way in (("linear", linear), ("spherical", spherical)):
        found = way(*ends, steps)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, between(ends, steps, name), rtol=1e-4, atol=1e-4)  # type: ignore[arg-type]  # both are names of paths


def test_the_arc_keeps_the_length_that_the_straight_way_loses() -> None:
    start, end = np.array([3, 0], np.float32), np.array([0, 3], np.float32)
    np.testing.assert_allclose(np.linalg.norm(spherical(start, end, 7), axis=1), 3, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(linear(start, end, 3)[1]), 3 / 2**0.5, rtol=1e-6)
    np.testing.assert_allclose(spherical(start, end, 3)[1], (3 / 2**0.5, 3 / 2**0.5), rtol=1e-6)


@pytest.mark.parametrize("end", [(0, 0), (-2, -2), (4, 4)])
def test_without_an_arc_the_way_is_straight(end: tuple[int, int]) -> None:
    ends = np.array([(2, 2), end], np.float32)
    np.testing.assert_array_equal(spherical(*ends, 5), linear(*ends, 5))

"""Ways between many pairs at once, beside the server's way between one pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inference.interpolation import between
from training.evaluation.ways import linear, spherical

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

ENDS = st.tuples(st.integers(1, 5), st.integers(1, 6)).flatmap(
    lambda shape: arrays(
        np.float32,
        (shape[0], 2, shape[1]),
        elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False),
    )
)


@pytest.mark.parametrize(("path", "way"), [("linear", linear), ("spherical", spherical)])
@given(ends=ENDS, steps=st.integers(2, 12))
def test_every_way_is_the_one_that_is_served(
    path: Literal["linear", "spherical"],
    way: Callable[[Float32, int], Float32],
    ends: Float32,
    steps: int,
) -> None:
    found = way(ends, steps)
    assert found.dtype == np.float32
    assert found.shape == (len(ends), steps, ends.shape[2])
    for pair, points in zip(ends, found, strict=True):
        served = between(pair, steps, path)
        np.testing.assert_allclose(points, served, rtol=1e-5, atol=1e-6 * np.abs(pair).max())


def test_the_middle_of_an_arc_is_as_long_as_its_ends() -> None:
    ends = np.array([[[3.0, 0.0], [0.0, 3.0]], [[2.0, 0.0], [0.0, 4.0]]], np.float32)
    lengths = np.linalg.norm(spherical(ends, 5), axis=2)
    np.testing.assert_allclose(lengths[0], 3.0, rtol=1e-6)
    np.testing.assert_allclose(lengths[1], [2.0, 2.5, 3.0, 3.5, 4.0], rtol=1e-6)
    assert np.linalg.norm(linear(ends, 3)[0, 1]) == pytest.approx(3.0 / np.sqrt(2.0))


def test_ends_that_name_no_circle_are_joined_by_a_line() -> None:
    opposite, nothing, both, same = (
        [[1, 2], [-1, -2]],
        [[0, 0], [3, 4]],
        [[0, 0], [0, 0]],
        [[1, 1]] * 2,
    )
    ends = np.array([opposite, nothing, both, same], np.float32)
    np.testing.assert_array_equal(spherical(ends, 7), linear(ends, 7))
    assert spherical(ends, 3)[:, 1].tolist() == [[0, 0], [1.5, 2], [0, 0], [1, 1]]

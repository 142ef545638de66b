"""Ways between two latents: ends kept to the bit, lengths and angles as the formula says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inference.errors import InvalidRequest
from inference.interpolation import PathName, between, check_way

PATHS: tuple[PathName, ...] = ("linear", "spherical")
ENDS = hnp.arrays(
    np.float32,
    st.tuples(st.just(2), st.integers(1, 20)),
    elements=st.floats(-1e6, 1e6, width=32),
)
STEPS = st.integers(2, 40)


def lengths(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points.astype(np.float64), axis=1)


@given(ends=ENDS, steps=STEPS, path=st.sampled_from(PATHS))
@settings(deadline=None, max_examples=200)
def test_both_ends_are_kept_to_the_bit_and_every_point_is_finite(
    ends: np.ndarray, steps: int, path: PathName
) -> None:
    points = between(ends, steps, path)
    assert points.shape == (steps, ends.shape[1])
    assert points.dtype == np.float32
    assert points[0].tobytes() == ends[0].tobytes()
    assert points[-1].tobytes() == ends[1].tobytes()
    # No point is further from the origin than the further end.
    assert (lengths(points) <= lengths(ends).max() * (1 + 1e-5) + 1e-30).all()


@given(ends=ENDS, steps=STEPS)
@settings(deadline=None, max_examples=100)
def test_the_straight_line_goes_in_even_steps(ends: np.ndarray, steps: int) -> None:
    points = between(ends, steps, "linear").astype(np.float64)
    step = (ends[1].astype(np.float64) - ends[0]) / (steps - 1)
    # Below the smallest normal number the rounding of float32 no longer shrinks with it.
    rounding = 1e-6 * float(np.abs(ends).max()) + 2 * float(np.finfo(np.float32).smallest_subnormal)
    np.testing.assert_allclose(
        np.diff(points, axis=0), np.tile(step, (steps - 1, 1)), atol=rounding
    )


@given(seed=st.integers(0, 2**32 - 1), dimension=st.integers(2, 64), steps=st.integers(3, 20))
@settings(deadline=None, max_examples=100)
def test_on_the_sphere_lengths_and_angles_go_evenly(seed: int, dimension: int, steps: int) -> None:
    ends = np.random.default_rng(seed).standard_normal((2, dimension), dtype=np.float32)
    whole = np.arccos(np.clip(np.prod(ends / lengths(ends)[:, None], axis=0).sum(), -1, 1))
    assume(0.05 < whole < np.pi - 0.05)
    assume(lengths(ends).min() > 0.01)
    points = between(ends, steps, "spherical").astype(np.float64)
    np.testing.assert_allclose(
        lengths(points), np.linspace(*lengths(ends), steps), rtol=1e-5, atol=1e-6
    )
    directions = points / lengths(points)[:, None]
    cosines = (directions[1:] * directions[:-1]).sum(axis=1)
    np.testing.assert_allclose(np.arccos(np.clip(cosines, -1, 1)), whole / (steps - 1), atol=1e-3)


def test_a_quarter_turn_has_its_known_middle() -> None:
    ends = np.array([[3, 0], [0, 3]], np.float32)
    middle = between(ends, 3, "spherical")[1]
    np.testing.assert_allclose(middle, [3 / np.sqrt(2)] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    "ends",
    [
        [[0, 0], [3, 4]],
        [[0, 0], [0, 0]],
        [[1, 2], [1, 2]],
        [[1, 2], [2, 4]],
        [[1, 2], [-1, -2]],
        [[1, 2], [-3, -6]],
    ],
    ids=["zero start", "both zero", "equal", "parallel", "opposite", "opposite, longer"],
)
def test_without_a_great_circle_of_its_own_the_straight_line_is_taken(ends: list[Any]) -> None:
    table = np.array(ends, np.float32)
    straight = between(table, 5, "linear")
    np.testing.assert_allclose(between(table, 5, "spherical"), straight, atol=1e-6)


@pytest.mark.parametrize("angle", [1e-8, 1e-5, 1e-3])
def test_almost_parallel_ends_are_joined_smoothly(angle: float) -> None:
    ends = np.array([[1, 0], [np.cos(angle), np.sin(angle)]], np.float32)
    np.testing.assert_allclose(between(ends, 9, "spherical"), between(ends, 9, "linear"), atol=1e-6)


@pytest.mark.parametrize("steps", [1, 0, -3, 2.0, True, None, "5"])
def test_too_few_steps_are_refused(steps: Any) -> None:
    with pytest.raises(InvalidRequest, match="must be an integer from 2"):
        check_way(steps, "linear")


@pytest.mark.parametrize("path", ["geodesic", "", None, ["linear"]])
def test_an_unknown_path_is_refused(path: Any) -> None:
    with pytest.raises(InvalidRequest, match="choose linear or spherical"):
        check_way(5, path)

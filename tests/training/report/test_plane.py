from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from training.report.plane import (
    Plane,
    box,
    box_grid,
    normal_cdf,
    quantile_grid,
    uniform_in_box,
)


def _cloud(latents: int = 5, *, count: int = 400) -> np.ndarray:
    """Widest along latent 3 (to the negative side as well), then along latent 1."""
    spread = np.full(latents, 0.1)
    spread[3], spread[1] = 5.0, 2.0
    noise = np.random.default_rng(0).standard_normal((count, latents))
    return np.asarray(noise * spread + 1.0, np.float32)


def test_the_axes_are_those_of_the_widest_spread() -> None:
    plane = Plane.of(_cloud())
    np.testing.assert_allclose(np.abs(plane.axes[0]), np.eye(5)[3], atol=0.05)
    np.testing.assert_allclose(np.abs(plane.axes[1]), np.eye(5)[1], atol=0.05)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-6)
    np.testing.assert_allclose(plane.spread, (5.0, 2.0), rtol=0.1)
    assert plane.explained > 0.99
    assert not plane.whole


def test_signs_do_not_depend_on_the_order_or_sign_of_the_images() -> None:
    cloud = _cloud()
    plane = Plane.of(cloud)
    mirrored = Plane.of(2 * cloud.mean(axis=0) - cloud[::-1])
    assert (plane.axes[np.arange(2), np.abs(plane.axes).argmax(axis=1)] > 0).all()
    np.testing.assert_allclose(plane.axes, mirrored.axes, atol=1e-5)


def test_points_of_the_plane_come_back() -> None:
    plane = Plane.of(_cloud())
    points = np.array([[0, 0], [3, -1], [-2.5, 4]], np.float32)
    np.testing.assert_allclose(plane.project(plane.lift(points)), points, atol=1e-5)
    np.testing.assert_allclose(plane.lift(points)[0], plane.centre)


def test_two_latents_are_their_own_plane() -> None:
    cloud = _cloud(4)[:, :2]
    plane = Plane.of(cloud)
    assert plane.whole
    np.testing.assert_array_equal(plane.project(cloud), cloud)
    np.testing.assert_array_equal(plane.lift(cloud), cloud)


@pytest.mark.parametrize("shape", [(10, 1), (1, 10)])
def test_what_spans_no_plane_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{shape[0]} means of {shape[1]} latents"):
        Plane.of(np.zeros(shape, np.float32))


def test_means_that_are_all_the_same_still_have_a_plane() -> None:
    plane = Plane.of(np.ones((5, 3), np.float32))
    assert plane.explained == 0.0
    assert np.isfinite(plane.lift(np.ones((1, 2), np.float32))).all()


def test_the_principal_grid_runs_as_a_picture_does() -> None:
    plane = Plane.of(_cloud())
    grid = plane.principal_grid(3, reach=2.0)
    right, up = 2 * plane.spread
    np.testing.assert_allclose(
        grid.reshape(3, 3, 2)[[0, 0, 2, 1], [0, 2, 0, 1]],
        [(-right, up), (right, up), (-right, -up), (0, 0)],
        atol=1e-6,
    )


def test_the_quantile_grid_has_steps_of_equal_probability() -> None:
    grid = quantile_grid(15).reshape(15, 15, 2)
    assert grid.dtype == np.float32
    shares = normal_cdf(grid[0, :, 0])
    np.testing.assert_allclose(shares, np.linspace(0.01, 0.99, 15), atol=1e-5)
    np.testing.assert_allclose(grid[::-1, 0, 1], grid[0, :, 0])
    assert np.isfinite(grid).all()


def test_the_normal_cdf_is_that_of_the_books() -> None:
    values = np.array([-3, -0.5, 0, 1, 8], np.float32)
    wanted = [NormalDist().cdf(value) for value in values.tolist()]
    np.testing.assert_allclose(normal_cdf(values), wanted, atol=1e-6)


def test_the_box_grid_reaches_the_outermost_points() -> None:
    points = np.array([[-4, 1], [2, 7], [0, 3]], np.float32)
    grid = box_grid(points, 4)
    np.testing.assert_array_equal(box(grid), box(points))
    np.testing.assert_array_equal(grid[0], (-4, 7))
    np.testing.assert_array_equal(grid[-1], (2, 1))


def test_even_draws_fill_the_box_and_no_more() -> None:
    points = np.array([[-4, 1], [2, 7]], np.float32)
    drawn = uniform_in_box(points, 4000, np.random.default_rng(0))
    low, high = box(drawn)
    assert (low >= (-4, 1)).all()
    assert (high <= (2, 7)).all()
    np.testing.assert_allclose(drawn.mean(axis=0), (-1, 4), atol=0.15)
    np.testing.assert_allclose(drawn.std(axis=0), 6 / 12**0.5, atol=0.1)

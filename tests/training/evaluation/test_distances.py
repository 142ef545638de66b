"""Distances between sets of features, on cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.distances import (
    Overlap,
    frechet_distance,
    gaussian_distance,
    kernel_distance,
    manifold_overlap,
)


def normal(count: int, features: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, features))


def test_distance_of_gaussians_whose_covariances_commute() -> None:
    # |m1 - m2|² = 1 + 4; Σ (√a - √b)² = (1 - 2)² + (3 - 3)² + (2 - 0)²
    first = np.diag([1.0, 9.0, 4.0])
    second = np.diag([4.0, 9.0, 0.0])
    turned = np.linalg.qr(normal(3, 3))[0]
    found = gaussian_distance(
        turned @ np.array([0.0, 0.0, 0.0]),
        turned @ first @ turned.T,
        turned @ np.array([1.0, 0.0, 2.0]),
        turned @ second @ turned.T,
    )
    assert found == pytest.approx(5.0 + 1.0 + 0.0 + 4.0)


def test_distance_of_gaussians_whose_covariances_do_not_commute() -> None:
    # tr (AB)^½ = √(tr AB + 2 √det AB) for 2 × 2: here √(3 + 2 · √3).
    first = np.array([[2.0, 1.0], [1.0, 2.0]])
    second = np.array([[1.0, 0.0], [0.0, 1.0]])
    second[0, 1] = second[1, 0] = -0.5
    product = first @ second
    root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    zero = np.zeros(2)
    assert gaussian_distance(zero, first, zero, second) == pytest.approx(4 + 2 - 2 * root)


def test_a_set_is_at_no_distance_from_itself_even_with_fewer_rows_than_features() -> None:
    rows = normal(10, 50)
    assert frechet_distance(rows, rows) == pytest.approx(0.0, abs=1e-5)
    assert frechet_distance(rows, rows + 2.0) == pytest.approx(50 * 4.0)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.1, 10.0), shift=st.floats(-5.0, 5.0), seed=st.integers(0, 100))
def test_distance_is_symmetric_and_scales_with_the_square(
    scale: float, shift: float, seed: int
) -> None:
    one, other = normal(40, 5, seed), 0.5 * normal(30, 5, seed + 1) + shift
    there, back = frechet_distance(one, other), frechet_distance(other, one)
    assert there == pytest.approx(back, rel=1e-6, abs=1e-9)
    assert frechet_distance(scale * one, scale * other) == pytest.approx(scale**2 * there, rel=1e-6)


def test_one_row_has_no_distance() -> None:
    with pytest.raises(ValueError, match="needs 2 rows of each set, not 1"):
        frechet_distance(normal(1, 3), normal(5, 3))
    with pytest.raises(ValueError, match="needs 2 rows of each set, not 5 and 1"):
        kernel_distance(
            normal(5, 3), normal(1, 3), subsets=1, size=10, rng=np.random.default_rng(0)
        )


def test_kernel_distance_by_hand() -> None:
    # F = 1; k(x, y) = (xy + 1)³. one: 0, 1 → k = 1; other: 2, 3 → k = 343;
    # across: 1, 1, 27, 64 → mean 93/4.
    one, other = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    mean, spread = kernel_distance(one, other, subsets=3, size=100, rng=np.random.default_rng(0))
    assert mean == pytest.approx(1 + 343 - 2 * 93 / 4)
    assert spread == pytest.approx(0.0, abs=1e-9)


def test_kernel_distance_of_equal_distributions_is_zero_on_average() -> None:
    values = [
        kernel_distance(
            normal(40, 3, 2 * seed),
            normal(40, 3, 2 * seed + 1),
            subsets=1,
            size=40,
            rng=np.random.default_rng(0),
        )[0]
        for seed in range(300)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0.0, "an unbiased estimate falls on both sides"


def test_kernel_distance_counts_no_row_with_itself() -> None:
    # With the diagonal, equal sets would be at distance 0 exactly; without, below.
    rows = normal(20, 3)
    assert kernel_distance(rows, rows, subsets=1, size=20, rng=np.random.default_rng(0))[0] < 0.0


def test_overlap_of_points_on_a_line() -> None:
    # Radii for k = 1: real 0, 1, 3, 10 → 1, 1, 2, 7; fake 0.5, 2.5, 30 → 2, 2, 27.5.
    real = np.array([[0.0], [1.0], [3.0], [10.0]])
    fake = np.array([[0.5], [2.5], [30.0]])
    # 0.5 lies in the balls of 0 and 1; 2.5 in that of 3 alone (10 is 7.5 away).
    assert manifold_overlap(real, fake, neighbours=1) == Overlap(
        precision=pytest.approx(2 / 3),
        # Every real point lies in a fake ball: 0 and 1 in that of 0.5, 3 and 10 in others.
        recall=pytest.approx(1.0),
        density=pytest.approx((2 + 1 + 0) / 3),
        coverage=pytest.approx(3 / 4),
    )


def test_overlap_is_none_for_sets_far_apart_and_whole_for_equal_ones() -> None:
    rows = normal(50, 4)
    assert manifold_overlap(rows, rows + 1000.0) == Overlap(0.0, 0.0, 0.0, 0.0)
    same = manifold_overlap(rows, rows)
    assert (same.precision, same.recall, same.coverage) == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="no neighbour number 5"):
        manifold_overlap(rows, rows[:5])


def test_overlap_of_two_equal_normals_in_many_dimensions() -> None:
    """Published for two sets of 10,000 in 1,000 dimensions: .477, .471, 1.056, .974.

    The first two are higher for fewer points; coverage is nearly the same.
    """
    found = manifold_overlap(normal(1000, 1000, 1), normal(1000, 1000, 2))
    assert 0.45 < found.precision < 0.68
    assert 0.45 < found.recall < 0.68
    assert found.density == pytest.approx(1.056, abs=0.25)
    assert found.coverage == pytest.approx(0.974, abs=0.03)

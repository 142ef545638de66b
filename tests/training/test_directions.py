from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.directions import (
    RunningDirections,
    conditional_directions,
    directions_of,
    lda_directions,
    mean_directions,
    ridge_directions,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bundle.manifest import DirectionKind

KINDS: tuple[DirectionKind, ...] = ("mean", "ridge", "lda", "conditional")
TRUTH = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])


def _all_but_itself(attributes: int) -> NDArray[np.bool_]:
    return ~np.eye(attributes, dtype=np.bool_)


def _correlated(count: int = 20_000) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Two labels that agree nine times of ten, each with a latent of its own."""
    rng = np.random.default_rng(1)
    first = rng.random(count) < 0.5
    second = np.where(rng.random(count) < 0.9, first, ~first)
    labels = np.stack([first, second], axis=1)
    means = labels @ TRUTH + 0.1 * rng.standard_normal((count, 3))
    return labels, means.astype(np.float32)


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 6), st.integers(2, 60))
def test_the_mean_difference_takes_one_group_mean_to_the_other(
    seed: int, attributes: int, latent: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.random((count, attributes)) < 0.4
    means = (5 * rng.standard_normal((count, latent)) + 3).astype(np.float32)
    rows = mean_directions(labels, means)
    assert (rows.dtype, rows.shape) == (np.float32, (attributes, latent))
    for row, present in zip(rows, labels.T, strict=True):
        if present.all() or not present.any():
            assert not row.any()
            continue
        arrived = means[~present].mean(0, dtype=np.float64) + row
        np.testing.assert_allclose(arrived, means[present].mean(0, dtype=np.float64), atol=1e-5)


def test_one_attribute_by_ridge_is_the_difference_of_means() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((4000, 1)) < 0.3
    means = rng.standard_normal((4000, 6)).astype(np.float32) + labels * np.arange(6)
    means = means.astype(np.float32)
    np.testing.assert_allclose(
        ridge_directions(labels, means), mean_directions(labels, means), rtol=0.01, atol=0.01
    )


def test_what_merely_comes_along_is_left_out_by_ridge_and_not_by_the_mean() -> None:
    labels, means = _correlated()
    plain, held_fixed = mean_directions(labels, means), ridge_directions(labels, means)
    assert plain[0, 1] > 1.5  # most of the other attribute comes with it
    np.testing.assert_allclose(held_fixed, TRUTH, atol=0.03)


def test_lda_moves_along_the_normal_alone_and_closes_the_gap_there() -> None:
    rng = np.random.default_rng(4)
    mix = rng.standard_normal((5, 5))
    labels = rng.random((20_000, 1)) < 0.3
    gap = np.array([1.0, -0.5, 0.0, 0.3, 0.2])
    means = (rng.standard_normal((20_000, 5)) @ mix + labels * gap).astype(np.float32)
    normal = np.linalg.solve(mix.T @ mix, gap)
    (row,), (difference,) = lda_directions(labels, means), mean_directions(labels, means)
    cosine = row @ normal / np.linalg.norm(row) / np.linalg.norm(normal)
    assert cosine > 0.995
    assert row @ row == pytest.approx(row @ difference, rel=1e-5)


def test_conditional_leaves_protected_normals_alone_and_closes_its_own_gap() -> None:
    rng = np.random.default_rng(5)
    count = 5000
    first = rng.random(count) < 0.4
    labels = np.stack([first, first ^ (rng.random(count) < 0.2), rng.random(count) < 0.5], 1)
    means = labels @ rng.standard_normal((3, 6)) + 0.5 * rng.standard_normal((count, 6))
    means = means.astype(np.float32)
    # An LDA direction lies along its normal, so it can stand for it.
    normals, gaps = lda_directions(labels, means), mean_directions(labels, means)
    protected = np.array([[1, 1, 0], [1, 0, 1], [0, 0, 0]], np.bool_)
    rows = conditional_directions(labels, means, protected)
    for row, normal, gap in zip(rows, normals, gaps, strict=True):
        assert row @ normal == pytest.approx(gap @ normal, rel=1e-4)
    assert rows[0] @ normals[1] == pytest.approx(0, abs=1e-5)
    assert abs(rows[0] @ normals[2]) > 1e-3  # it was not asked to protect that one
    np.testing.assert_allclose(normals[[0, 2]] @ rows[1], 0, atol=1e-5)
    np.testing.assert_allclose(rows[2], gaps[2], atol=1e-6)  # nothing protected, nothing changed


def test_conditional_leaks_less_than_the_mean() -> None:
    labels, means = _correlated()
    plain = mean_directions(labels, means)
    kept = conditional_directions(labels, means, _all_but_itself(2))
    assert abs(kept[0, 1]) < 0.1 < abs(plain[0, 1])
    assert kept[0, 0] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [True, False])
def test_an_attribute_that_all_or_none_have_gives_no_direction(
    kind: DirectionKind, value: bool
) -> None:
    means = np.random.default_rng(2).standard_normal((50, 4)).astype(np.float32)
    labels = np.full((50, 1), value)
    assert not directions_of(kind, labels, means, _all_but_itself(1)).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "case", ["exclusive", "few", "one", "collapsed", "constant", "twice", "none"]
)
def test_degenerate_sets_give_finite_rows(kind: DirectionKind, case: str) -> None:
    rng = np.random.default_rng(6)
    count = {"few": 5, "one": 1}.get(case, 300)
    labels = rng.random((count, 3)) < 0.5
    means = rng.standard_normal((count, 8)) + labels @ rng.standard_normal((3, 8))
    if case == "exclusive":
        labels = np.eye(3, dtype=np.bool_)[rng.integers(0, 3, count)]
        means = rng.standard_normal((count, 8)) + labels @ rng.standard_normal((3, 8))
    if case == "collapsed":
        means[:, 3] = 0.25
        means[:, 4] = 1e-7 * rng.standard_normal(count)
    if case == "constant":
        means = labels @ rng.standard_normal((3, 8))
    if case == "twice":
        labels[:, 1] = labels[:, 0]
    if case == "none":
        labels = labels[:, :0]
    attributes = labels.shape[1]
    rows = directions_of(kind, labels, means.astype(np.float32), _all_but_itself(attributes))
    assert rows.shape == (attributes, 8)
    assert np.isfinite(rows).all()
    widest = float(np.abs(mean_directions(labels, means.astype(np.float32))).max(initial=0.0))
    assert np.abs(rows).max(initial=0.0) <= 25 * widest


def test_a_class_cannot_be_entered_while_all_others_stand_still() -> None:
    rng = np.random.default_rng(7)
    labels = np.eye(3, dtype=np.bool_)[rng.integers(0, 3, 3000)]
    means = (rng.standard_normal((3000, 4)) + labels @ rng.standard_normal((3, 4)) * 3).astype(
        np.float32
    )
    assert not conditional_directions(labels, means, _all_but_itself(3)).any()
    assert conditional_directions(labels, means, np.zeros((3, 3), np.bool_)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_means_is_refused(kind: DirectionKind) -> None:
    labels = np.zeros((4, 1), np.bool_)
    protected = _all_but_itself(1)
    with pytest.raises(ValueError, match=r"\(4, 1\) and \(3, 2\)"):
        directions_of(kind, labels, np.zeros((3, 2), np.float32), protected)
    with pytest.raises(ValueError, match="N at least 1"):
        directions_of(kind, labels[:0], np.zeros((0, 2), np.float32), protected)
    means = np.zeros((4, 2), np.float32)
    means[1, 1] = np.nan
    with pytest.raises(ValueError, match="1 of 8 encoder means are not finite"):
        directions_of(kind, labels, means, protected)


def test_protection_of_another_number_of_attributes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\), but 1 attributes"):
        conditional_directions(
            np.zeros((4, 1), np.bool_), np.zeros((4, 2), np.float32), _all_but_itself(2)
        )


def test_running_moments_agree_with_the_whole_set() -> None:
    rng = np.random.default_rng(3)
    labels = rng.random((64_000, 3)) < np.array([0.2, 0.5, 0.8])
    means = (labels @ rng.standard_normal((3, 5)) + 0.5).astype(np.float32)
    running = RunningDirections(3, 5)
    for start in range(0, 64_000, 640):
        running.update(
            torch.from_numpy(labels[start : start + 640].astype(np.float32)),
            torch.from_numpy(means[start : start + 640]),
        )
    np.testing.assert_allclose(
        running.directions().numpy(), ridge_directions(labels, means), atol=0.02
    )

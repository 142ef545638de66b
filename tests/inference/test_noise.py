"""Seeded noise: the same everywhere, and a smaller draw is the beginning of a larger one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import InvalidRequest
from inference.noise import SEED_LIMIT, Noise, draw, resolve_seed


@given(
    seed=st.integers(0, SEED_LIMIT - 1),
    rows=st.integers(1, 40),
    more=st.integers(0, 40),
    dimension=st.integers(1, 70),
)
@settings(deadline=None, max_examples=100)
def test_a_smaller_draw_begins_a_larger_one(
    seed: int, rows: int, more: int, dimension: int
) -> None:
    few, many = draw(seed, rows, dimension), draw(seed, rows + more, dimension)
    for small, large in zip(few, many, strict=True):
        assert small.tobytes() == large[:rows].tobytes()


@given(
    seed=st.integers(0, SEED_LIMIT - 1),
    parts=st.lists(st.integers(0, 20), min_size=1, max_size=6),
    dimension=st.integers(1, 70),
)
@settings(deadline=None, max_examples=100)
def test_parts_of_a_draw_are_the_whole(seed: int, parts: list[int], dimension: int) -> None:
    noise = Noise(seed, dimension)
    taken = [noise.take(rows) for rows in parts]
    for part, whole in zip(
        zip(*taken, strict=True), draw(seed, sum(parts), dimension), strict=True
    ):
        assert np.concatenate(part).tobytes() == whole.tobytes()


def test_seeds_mean_the_same_numbers_for_ever() -> None:
    uniform, normal = draw(7, 2, 3)
    np.testing.assert_allclose(uniform, [0.8720734548204873, 0.29536538151378355])
    np.testing.assert_allclose(
        normal, [[-0.59347, 1.547825, -0.502952], [-0.852806, 1.253291, -1.4431]], rtol=1e-5
    )


def test_the_numbers_have_their_distributions() -> None:
    uniform, normal = draw(2**40 + 1, 20_000, 3)
    assert normal.dtype == np.float32
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.01
    assert np.abs(normal.mean(axis=0)).max() < 0.03
    assert np.abs(normal.std(axis=0) - 1).max() < 0.03


@pytest.mark.parametrize("other", [0, 8, 7 + 2**32, SEED_LIMIT - 1])
def test_other_seeds_give_other_numbers(other: int) -> None:
    assert (draw(7, 4, 4)[1] != draw(other, 4, 4)[1]).all()


@pytest.mark.parametrize("seed", [0, 1, SEED_LIMIT - 1])
def test_a_given_seed_is_kept(seed: int) -> None:
    assert resolve_seed(seed) == seed


def test_no_seed_means_a_fresh_one() -> None:
    seeds = {resolve_seed(None) for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < SEED_LIMIT for seed in seeds)


@pytest.mark.parametrize("seed", [-1, SEED_LIMIT, 1.5, "7", True])
def test_what_is_no_seed_is_refused(seed: object) -> None:
    with pytest.raises(InvalidRequest, match="9223372036854775807"):
        resolve_seed(seed)  # type: ignore[arg-type]

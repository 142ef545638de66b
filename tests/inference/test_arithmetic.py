"""Sums of groups: linear in every latent, each group counted once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.arithmetic import combine


def groups(seed: int, sizes: list[int], latents: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.standard_normal((size, latents), dtype=np.float32) for size in sizes]


SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=4)
SEEDS = st.integers(0, 2**32 - 1)


def test_the_classic_sum() -> None:
    smiling_women = np.array([[4, 1], [6, 3]], np.float32)
    women = np.array([[3, 1]], np.float32)
    men = np.array([[-3, 1], [-5, 1], [-4, 4]], np.float32)
    total = combine([smiling_women, men], [women])
    assert total.tolist() == [[5 - 3 - 4, 2 - 1 + 2]]
    assert total.dtype == np.float32


def test_one_latent_alone_is_itself() -> None:
    latent = np.array([[0.1, -2.7]], np.float32)
    assert combine([latent], []).tobytes() == latent.tobytes()


def test_a_group_counts_once_however_large_it_is() -> None:
    latent = np.array([[0.25, -3]], np.float32)
    np.testing.assert_array_equal(combine([np.repeat(latent, 50, axis=0)], [latent]), [[0, 0]])


@given(seed=SEEDS, add=SIZES, subtract=SIZES, factor=st.floats(-4, 4), latents=st.integers(1, 40))
@settings(deadline=None, max_examples=100)
def test_it_is_linear(
    seed: int, add: list[int], subtract: list[int], factor: float, latents: int
) -> None:
    plus, other_plus = groups(seed, add, latents), groups(seed + 1, add, latents)
    minus, other_minus = groups(seed + 2, subtract, latents), groups(seed + 3, subtract, latents)

    def mixed(first: list[np.ndarray], second: list[np.ndarray]) -> list[np.ndarray]:
        return [
            (a + factor * b.astype(np.float64)).astype(np.float32)
            for a, b in zip(first, second, strict=True)
        ]

    together = combine(mixed(plus, other_plus), mixed(minus, other_minus))
    apart = combine(plus, minus) + factor * combine(other_plus, other_minus)
    np.testing.assert_allclose(together, apart, atol=1e-4)


@given(seed=SEEDS, sizes=SIZES)
@settings(deadline=None, max_examples=50)
def test_what_is_added_and_subtracted_is_gone(seed: int, sizes: list[int]) -> None:
    given_groups = groups(seed, sizes, 7)
    assert not combine(given_groups, given_groups).any()

from __future__ import annotations

import numpy as np
import torch

from training.directions import RunningDirections, ridge_directions


def test_one_attribute_gives_the_difference_of_means() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((4000, 1)) < 0.3
    means = rng.standard_normal((4000, 6)).astype(np.float32) + labels * np.arange(6)
    present = labels[:, 0]
    difference = means[present].mean(0) - means[~present].mean(0)
    np.testing.assert_allclose(
        ridge_directions(labels, means.astype(np.float32))[0], difference, rtol=0.01, atol=0.01
    )


def test_what_merely_comes_along_is_left_out() -> None:
    rng = np.random.default_rng(1)
    first = rng.random(20_000) < 0.5
    second = np.where(rng.random(20_000) < 0.9, first, ~first)
    labels = np.stack([first, second], axis=1)
    truth = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    means = (labels @ truth + 0.1 * rng.standard_normal((20_000, 3))).astype(np.float32)
    plain = means[first].mean(0) - means[~first].mean(0)
    assert plain[1] > 1.5  # the mean difference takes most of the other attribute with it
    np.testing.assert_allclose(ridge_directions(labels, means), truth, atol=0.03)


def test_an_attribute_that_all_have_gives_no_direction() -> None:
    means = np.random.default_rng(2).standard_normal((50, 4)).astype(np.float32)
    np.testing.assert_allclose(ridge_directions(np.ones((50, 1), np.bool_), means), 0.0, atol=1e-6)


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

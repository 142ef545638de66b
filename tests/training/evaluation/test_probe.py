"""Reading labels out of latents that hold them in a known way."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.probe import probe

RNG = np.random.default_rng(0)


def test_attributes_by_a_line_and_by_neighbours() -> None:
    means = RNG.uniform(-1, 1, (1200, 2)).astype(np.float32)
    # One is a side of a line, the other a ring: only neighbours can tell it.
    labels = np.stack([means[:, 0] > 0.8, np.hypot(*means.T) < 0.7], axis=1)
    found = probe(
        ("side", "ring"), means[:800], labels[:800], means[800:], labels[800:], draws=50, seed=0
    )
    assert found is not None
    assert found.kind == "attributes"
    assert found.chance == 0.5
    assert found.each["side"][0] > 0.9
    assert found.each["ring"][0] < 0.65
    assert found.each["ring"][1] > 0.9
    mean = (found.each["side"][0] + found.each["ring"][0]) / 2
    assert found.linear.value == pytest.approx(mean)
    assert found.linear.low < found.linear.value < found.linear.high


def test_classes_are_told_apart_at_once() -> None:
    kind = RNG.integers(0, 3, 600)
    means = (np.eye(3)[kind] * 5 + RNG.standard_normal((600, 3))).astype(np.float32)
    labels = np.eye(3, dtype=np.bool_)[kind]
    found = probe(
        ("a", "b", "c"), means[:400], labels[:400], means[400:], labels[400:], draws=50, seed=0
    )
    assert found is not None
    assert found.kind == "classes"
    assert found.linear.value > 0.95
    assert found.neighbours.value > 0.95
    assert found.chance == pytest.approx(labels[:400].mean(axis=0).max())
    assert set(found.each) == {"a", "b", "c"}


def test_latents_that_hold_nothing_are_read_by_guessing() -> None:
    means = RNG.standard_normal((1000, 4)).astype(np.float32)
    labels = RNG.random((1000, 1)) < 0.1
    found = probe(("rare",), means[:500], labels[:500], means[500:], labels[500:], draws=0, seed=0)
    assert found is not None
    assert found.linear.value == pytest.approx(0.5, abs=0.12)
    assert found.neighbours.value == pytest.approx(0.5, abs=0.12)


def test_a_rare_label_is_not_simply_denied() -> None:
    means = RNG.standard_normal((3000, 1)).astype(np.float32)
    labels = (means + RNG.standard_normal((3000, 1))) > 2.5
    found = probe(
        ("rare",), means[:2000], labels[:2000], means[2000:], labels[2000:], draws=0, seed=0
    )
    assert found is not None
    assert found.linear.value > 0.75


def test_labels_that_never_vary_are_left_out() -> None:
    means = RNG.standard_normal((20, 2)).astype(np.float32)
    none = np.zeros((20, 1), np.bool_)
    assert probe(("none",), means, none, means, none, draws=0, seed=0) is None
    both = np.concatenate([none, means[:, :1] > 0], axis=1)
    found = probe(("none", "some"), means, both, means, both, draws=0, seed=0)
    assert found is not None
    assert set(found.each) == {"some"}

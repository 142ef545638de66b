from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.related import addable, label_correlation, one_hot, related_labels

RNG = np.random.default_rng(0)


def test_correlation_is_that_of_numpy() -> None:
    labels = RNG.random((300, 4)) < 0.4
    labels[:, 3] = labels[:, 0] ^ (RNG.random(300) < 0.2)
    np.testing.assert_allclose(label_correlation(labels), np.corrcoef(labels.T))


def test_a_label_that_never_varies_correlates_with_nothing() -> None:
    labels = np.array([[True, False], [True, True], [True, False]])
    assert label_correlation(labels).tolist() == [[1.0, 0.0], [0.0, pytest.approx(1.0)]]
    assert not related_labels(labels)[0, 1]
    assert label_correlation(labels[:0]).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_labels_are_related_by_correlation_exclusion_or_containment() -> None:
    free, beside = RNG.random((2, 3000)) < 0.5
    rare = RNG.random(3000) < 0.04
    excluded = (RNG.random(3000) < 0.3) & ~rare
    inside = rare & (RNG.random(3000) < 0.4)
    like = free ^ (RNG.random(3000) < 0.2)
    labels = np.stack((free, beside, rare, excluded, inside, like), axis=1)
    related = related_labels(labels)
    assert np.abs(label_correlation(labels)[2, 3]) < 0.3  # what correlation alone would miss
    pairs = {(i, j) for i, j in zip(*np.nonzero(np.triu(related, 1)), strict=True)}
    assert {(int(i), int(j)) for i, j in pairs} == {(0, 5), (2, 3), (2, 4), (3, 4)}
    assert related.diagonal().all()
    assert (related == related.T).all()


def test_what_never_occurs_together_in_few_images_may_be_chance() -> None:
    labels = np.zeros((50, 2), np.bool_)
    labels[:5, 0] = labels[5:10, 1] = True
    assert not related_labels(labels)[0, 1]


def test_an_attribute_can_be_added_where_the_result_is_known() -> None:
    hat, hair = [True, False], [False, True]
    training = np.array([hat, hat, hair, hair, [False, False], [True, True]])
    images = np.array([hat, hair, [False, False], [False, False]])
    # Hat and long hair occur together once, which may be a mistake.
    assert addable(images, training, 1).tolist() == [False, False, True, True]
    assert addable(images, training, 0).tolist() == [False, False, True, True]
    assert not addable(np.eye(3, dtype=np.bool_), np.eye(3, dtype=np.bool_), 0).any()


def test_classes_are_one_true_in_every_row() -> None:
    assert one_hot(np.eye(3, dtype=np.bool_))
    assert not one_hot(np.array([[True, True], [True, False]]))
    assert not one_hot(np.array([[False, False], [True, False]]))
    assert not one_hot(np.ones((3, 1), np.bool_))
    assert not one_hot(np.zeros((0, 3), np.bool_))

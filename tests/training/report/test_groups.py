from __future__ import annotations

import numpy as np

from tests.support.report_material import class_labels
from training.report.groups import formulas, mixed_order

EVERY = np.array([[p, q] for p in (0, 1) for q in (0, 1)] * 3, np.bool_)
"""Three rows of each combination."""


def test_classes_come_in_turn() -> None:
    labels = class_labels(9, 3)[[0, 3, 6, 1, 4, 2, 5, 7, 8]]
    kinds = labels.argmax(axis=1)
    order = mixed_order(labels, 6)
    assert kinds[order].tolist() == [0, 1, 2, 0, 1, 2]
    assert order.tolist() == [0, 3, 5, 1, 4, 6]


def test_attributes_that_go_together_leave_the_order_alone() -> None:
    assert mixed_order(EVERY, 5).tolist() == [0, 1, 2, 3, 4]
    assert mixed_order(EVERY[:, :0], 99).tolist() == list(range(12))


def test_a_formula_takes_away_what_it_should() -> None:
    (formula,) = formulas(EVERY, ("long_hair", "hat"), least=3, count=4)
    assert formula.names == (
        "long hair, hat",
        "no long hair, hat",
        "no long hair, no hat",
        "long hair, no hat",
    )
    rows = [np.unique(EVERY[group], axis=0).tolist() for group in formula.groups]
    assert rows == [[[True, True]], [[False, True]], [[False, False]], [[True, False]]]
    # On the labels themselves the arithmetic is exact.
    a, b, c, wanted = (EVERY[group].mean(axis=0) for group in formula.groups)
    np.testing.assert_array_equal(a - b + c, wanted)


def test_groups_that_are_too_small_make_no_formula() -> None:
    assert formulas(EVERY[:-1], ("a", "b"), least=3, count=4) == ()
    assert formulas(EVERY[:, :1], ("a",), least=1, count=4) == ()
    assert formulas(class_labels(30, 3), ("a", "b", "c"), least=1, count=4) == ()


def test_formulas_differ_and_the_best_filled_comes_first() -> None:
    labels = np.array([[(row >> bit) & 1 for bit in range(4)] for row in range(16)] * 4, np.bool_)
    labels = np.concatenate((labels, labels[labels[:, 0] != labels[:, 3]]))
    found = formulas(labels, ("a", "b", "c", "d"), least=3, count=6)
    sizes = [min(map(len, formula.groups)) for formula in found]
    assert sizes == sorted(sizes, reverse=True)
    used = [name for formula in found for name in formula.names[0].split(", ")]
    assert max(used.count(name) for name in "abcd") <= 2
    assert len(formulas(labels, ("a", "b", "c", "d"), least=3, count=2)) == 2

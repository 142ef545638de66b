"""Which images are shown together: classes, rows of one kind, groups for arithmetic.

labels bool [N, A] → row indices; knows no pixels and no latents
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from training.evaluation.related import one_hot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Places = NDArray[np.intp]

USED_TWICE = 2
"""An attribute appears in at most so many formulas, so that they differ."""


def mixed_order(labels: Bools, count: int) -> Places:
    """The first ``count`` rows, classes taken in turn where there are classes, int64 [<= count]."""
    if not one_hot(labels):
        return np.arange(min(count, len(labels)))
    kinds = labels.argmax(axis=1)
    # The how-many-th of its class each row is; then by turn, then by class.
    turn = np.zeros(len(kinds), np.intp)
    for kind in range(labels.shape[1]):
        mine = kinds == kind
        turn[mine] = np.arange(int(mine.sum()))
    return np.lexsort((kinds, turn))[:count]


@dataclass(frozen=True)
class Formula:
    """One piece of arithmetic, A - B + C, and the group that it should come to.

    Attributes:
        names: What A, B, C and the wanted group are called.
        groups: Rows of A, B, C and of the wanted group.
    """

    names: tuple[str, str, str, str]
    groups: tuple[Places, Places, Places, Places]


def formulas(
    labels: Bools, attributes: Sequence[str], *, least: int, count: int
) -> tuple[Formula, ...]:
    """At most ``count`` formulas over two attributes p and q, largest smallest group first.

    (p, q) - (not p, q) + (not p, not q) should come to (p, not q): what p adds, without q
    (Larsen et al. 2016; with men, women and glasses the example in Liu's chapter 7).

    Args:
        labels: bool [N, A].
        attributes: A names.
        least: Every group has at least so many rows.
        count: Formulas at most.
    """
    found = []
    for p, q in combinations(range(labels.shape[1]), 2):
        has_p, has_q = labels[:, p], labels[:, q]
        sides = ((has_p, has_q), (~has_p, has_q), (~has_p, ~has_q), (has_p, ~has_q))
        groups = tuple(np.flatnonzero(one & other) for one, other in sides)
        smallest = min(map(len, groups))
        if smallest >= least:
            found.append((-smallest, p, q, groups))
    chosen: list[Formula] = []
    used = np.zeros(labels.shape[1], np.intp)
    for _, p, q, (a, b, c, wanted) in sorted(found, key=lambda item: item[:3]):
        if len(chosen) == count:
            break
        if max(used[p], used[q]) < USED_TWICE:
            used[[p, q]] += 1
            one, other = plain(attributes[p]), plain(attributes[q])
            names = (
                f"{one}, {other}",
                f"no {one}, {other}",
                f"no {one}, no {other}",
                f"{one}, no {other}",
            )
            chosen.append(Formula(names, (a, b, c, wanted)))
    return tuple(chosen)


def plain(attribute: str) -> str:
    """``long_hair`` → ``long hair``."""
    return attribute.replace("_", " ")

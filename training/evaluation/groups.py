"""Arithmetic with groups of images: "these, less those, plus these" and what comes out of it.

means of test images [N, L] → four groups by two attributes → mean of a few of each → A - B + C →
decoder → two judges → success

The four formulae are those of Liu, "Learn Generative AI with PyTorch" (2024), chapter 7, for
glasses and men or women: each should show what its labels come to.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.data.progress import silent
from training.evaluation.bootstrap import Estimate, estimate, image_weights
from training.evaluation.judges import logits

if TYPE_CHECKING:
    from training.data import Dataset
    from training.data.progress import Progress
    from training.evaluation.judges import JudgePair
    from training.evaluation.model import Model

Float32 = NDArray[np.float32]
Labels = NDArray[np.bool_]
Group = tuple[int, int]
Formula = tuple[Group, Group, Group]

FORMULAE: tuple[Formula, ...] = (
    ((1, 0), (1, 1), (0, 1)),
    ((1, 0), (0, 0), (0, 1)),
    ((0, 0), (0, 1), (1, 1)),
    ((0, 1), (0, 0), (1, 0)),
)
"""(A, B, C), each whether the first and the second attribute are there; read A - B + C.

With glasses and women: men with glasses - women with glasses + women without = men without, and
so on. The labels of the result are those of A - B + C.
"""
SIZES = (3, 25)
"""Images of each group whose means are taken."""
MAX_MEMBERS = 250
"""Images of each group that draws are taken from."""
GROUPS: tuple[Group, ...] = ((0, 0), (0, 1), (1, 0), (1, 1))
PREFERRED = (("glasses", "long_hair"), ("eyeglasses", "male"))
"""Pairs of attributes that come nearest to the book's, if the set has them."""


@dataclass(frozen=True)
class Arithmetic:
    """How often one formula comes out right.

    Attributes:
        attributes: The two.
        formula: (A, B, C) as in `FORMULAE`.
        size: Images of each group in a draw.
        success: Share of draws that give an image both attributes of which are judged as
            expected, of two judges the lower. Its interval is over draws from the same images.
        draws: How many there were.
    """

    attributes: tuple[str, str]
    formula: Formula
    size: int
    success: Estimate
    draws: int


def arithmetic_pair(
    labels: Labels, names: tuple[str, ...], *, seen: Labels, related: Labels
) -> tuple[int, int] | None:
    """The two attributes for the formulae, or None if no pair has enough images of all groups.

    One of `PREFERRED`, or else the unrelated pair whose smallest group is largest. An attribute
    that judges cannot see is none of them: of one that a judge always affirms, half of the
    formulae would come out right.

    Args:
        labels: bool [N, A].
        names: Of the attributes.
        seen: bool [A], those that judges see on real images.
        related: bool [A, A], from `related.related_labels`.
    """
    enough = {
        pair: smallest
        for pair in combinations(range(len(names)), 2)
        if seen[list(pair)].all() and (smallest := _smallest(labels, pair)) >= min(SIZES)
    }
    for first, second in PREFERRED:
        if first in names and second in names:
            pair = names.index(first), names.index(second)
            if tuple(sorted(pair)) in enough:
                return pair
    free = [pair for pair in enough if not related[pair]]
    return max(free, key=enough.__getitem__, default=None)


def measure_arithmetic(
    model: Model,
    judges: JudgePair,
    test: Dataset,
    means: Float32,
    pair: tuple[int, int],
    *,
    draws: int = 500,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Arithmetic, ...]:
    """Every formula with groups of every size that the test images have enough of.

    Args:
        model: Decodes what the formulae come to.
        judges: Taught on the attributes of ``test``.
        test: Held-out images.
        means: float32 [N, L], theirs.
        pair: Two attributes, from `arithmetic_pair`.
        draws: Of groups, for each formula and size.
        resamples: Of the bootstrap.
        seed: Of both.
        progress: Called with (formulae done, formulae in all).
    """
    rng = np.random.default_rng(seed)
    members = {
        group: means[rng.permutation(_members(test.labels, pair, group))[:MAX_MEMBERS]]
        for group in GROUPS
    }
    sizes = [size for size in SIZES if size <= min(map(len, members.values()))]
    weights = image_weights(draws, resamples, rng)
    names = test.attributes[pair[0]], test.attributes[pair[1]]
    found = []
    for done, formula in enumerate(FORMULAE, start=1):
        wanted = np.array(expected(formula), np.bool_)
        for size in sizes:
            plus, minus, also = (_drawn(members[group], size, draws, rng) for group in formula)
            images = model.decode(plus - minus + also)
            right = [
                ((logits(judge, images)[:, list(pair)] > 0) == wanted).all(axis=1)
                for judge in judges
            ]
            lower = min((estimate(weights @ one) for one in right), key=lambda rate: rate.value)
            found.append(Arithmetic(names, formula, size, lower, draws))
        progress(done, len(FORMULAE))
    return tuple(found)


def expected(formula: Formula) -> Group:
    """The labels of A - B + C: those of A, where B and C differ changed to those of C."""
    plus, minus, also = formula
    return plus[0] - minus[0] + also[0], plus[1] - minus[1] + also[1]


def _drawn(means: Float32, size: int, draws: int, rng: np.random.Generator) -> Float32:
    """Means of random groups of ``size`` different rows of [n, L]: float32 [draws, L]."""
    order = rng.random((draws, len(means))).argsort(axis=1)[:, :size]
    return np.asarray(means[order].mean(axis=1), np.float32)


def _members(labels: Labels, pair: tuple[int, int], group: Group) -> NDArray[np.intp]:
    return np.flatnonzero((labels[:, list(pair)] == np.array(group, np.bool_)).all(axis=1))


def _smallest(labels: Labels, pair: tuple[int, int]) -> int:
    """Images in the smallest of the four groups."""
    return min(len(_members(labels, pair, group)) for group in GROUPS)

"""Which reading of its direction serves each attribute best, on images that were not learnt.

labels [N, A], means [N, L] → one row of each kind per attribute → score of each → rows [A, L]
→ each row scaled until the pictures, not only the latents, close their gap at strength 1

The ridge row is kept unless another scores higher by more than both scores may err: it is the
simplest reading that holds the other attributes still, and the one that training shifts by. What is
chosen here is not reported from here; test images measure it anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING, Protocol

import numpy as np

from training.directions import directions_of, ridge_directions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bundle.manifest import DirectionKind

    Float32 = NDArray[np.float32]

OTHERS: tuple[DirectionKind, ...] = ("mean", "lda", "conditional")
"""Kinds that may replace ridge."""
CLOSE = 0.05
"""Pictures that close their gap at strength 1 up to this part of it are left as they are."""
SCALES = (0.7, 1.6)
"""Least and most that a row is multiplied by: what needs more was not learnt."""
SCALINGS = 2
"""Times that a scale is corrected, each time as if the judges' answer grew evenly."""
WORTH = 0.9
"""A scale must keep this part of the score."""
SAME = 1e-3
"""Rows that differ by less, relative to their length, are one row: it is measured once."""


class Scored(Protocol):
    """What the choice looks at; `training.evaluation.quality.ShiftQuality` has it."""

    @property
    def score(self) -> float:
        """Larger is better."""

    @property
    def calibration(self) -> float:
        """Part of the gap between images without and with it that strength 1 closes."""

    @property
    def unseen(self) -> str:
        """Why the score means nothing; empty if it does."""

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Where ``score`` may lie with other images, under that name."""


@dataclass(frozen=True)
class Choice:
    """The directions of a bundle.

    Attributes:
        directions: float32 [A, L].
        kinds: How each row was found.
        scores: For each attribute the score of each kind that was measured.
        scales: What each row has been multiplied by.
    """

    directions: Float32
    kinds: tuple[DirectionKind, ...]
    scores: tuple[dict[DirectionKind, float], ...]
    scales: tuple[float, ...]


def ridge_alone(labels: NDArray[np.bool_], means: Float32) -> Choice:
    """The ridge rows, nothing measured."""
    rows = ridge_directions(labels, means)
    kinds: list[DirectionKind] = ["ridge"] * len(rows)
    return Choice(rows, tuple(kinds), ({},) * len(rows), (1.0,) * len(rows))


def choose(
    labels: NDArray[np.bool_], means: Float32, measure: Callable[[int, Float32], Scored]
) -> Choice:
    """The best row for each attribute, scaled to close the gap that judges see.

    Args:
        labels: bool [N, A], of the training images.
        means: float32 [N, L], row i belongs to image i.
        measure: Attribute and direction float32 [L] → its score on images that were not learnt.
    """
    protected = varying_freely(labels)
    ridge = ridge_directions(labels, means)
    candidates = {kind: directions_of(kind, labels, means, protected) for kind in OTHERS}
    rows, kinds, scores, scales = ridge.copy(), [], [], []
    for attribute, plain in enumerate(ridge):
        best: DirectionKind = "ridge"
        held = chosen = measure(attribute, plain)
        found: dict[DirectionKind, float] = {best: held.score}
        measured = [plain]
        for kind, directions in candidates.items():
            row = directions[attribute]
            if held.unseen or not row.any() or any(_same(row, before) for before in measured):
                continue
            measured.append(row)
            other = measure(attribute, row)
            found[kind] = other.score
            margin = hypot(_half_width(held), _half_width(other))
            if other.score - held.score > margin and other.score > found[best]:
                best, rows[attribute], chosen = kind, row, other
        kinds.append(best)
        scores.append(found)
        scales.append(_scale(attribute, rows[attribute], chosen, measure))
    scaled = (rows * np.array(scales)[:, None]).astype(np.float32)
    return Choice(scaled, tuple(kinds), tuple(scores), tuple(scales))


def _scale(
    attribute: int, row: Float32, plain: Scored, measure: Callable[[int, Float32], Scored]
) -> float:
    """What ``row`` is to be multiplied by, within `SCALES`; ``plain`` is its measure as it is."""
    best, nearest, scored, scale = 1.0, abs(plain.calibration - 1.0), plain, 1.0
    for _ in range(SCALINGS):
        if plain.unseen or scored.calibration <= 0 or abs(scored.calibration - 1.0) <= CLOSE:
            break
        corrected = float(np.clip(scale / scored.calibration, *SCALES))
        if corrected == scale:
            break
        scale, scored = corrected, measure(attribute, np.float32(corrected) * row)
        if scored.score >= WORTH * plain.score and abs(scored.calibration - 1.0) < nearest:
            best, nearest = scale, abs(scored.calibration - 1.0)
    return best


def varying_freely(labels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pairs of attributes occur in all four combinations, bool [A, A].

    Two that exclude each other, or one of which contains the other, do not: one cannot be moved
    while the other stands still, so neither protects itself from the other.
    """
    having = labels.astype(np.float64)
    lacking = 1.0 - having
    cells = (having.T @ having, having.T @ lacking, lacking.T @ having, lacking.T @ lacking)
    return np.asarray(np.logical_and.reduce([cell > 0 for cell in cells]))


def _same(row: Float32, other: Float32) -> bool:
    return bool(np.linalg.norm(row - other) <= SAME * np.linalg.norm(other))


def _half_width(scored: Scored) -> float:
    low, high = scored.intervals.get("score", (scored.score, scored.score))
    return (high - low) / 2

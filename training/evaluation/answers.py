"""What judges' answers say of one attribute's shift: pure functions of logits.

logits before and after [N, A], weights [1 + draws, N] → figures [1 + draws]

Every figure comes with the bootstrap's draws; row 0 is the figure itself. N_a are images without
the attribute, P_a images with it, R their reconstruction. A logit above 0 is a yes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import divided, weighted_share

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Labels = NDArray[np.bool_]
Figures = dict[str, Float64]

MAX_FALL = 0.01
"""A probability that falls by no more along the strengths counts as not falling."""
MIN_CALIBRATION = 0.1
"""Leakage is relative to the move of the attribute itself, taken as at least this."""
OTHERS_KEPT = 0.95
"""A strength is useful while at least this share of the other attributes' verdicts stays."""
MIN_GAP = 1e-6
WANTED = {
    "gap": 1e3,
    "flip": 1.0,
    "ceiling": 1.0,
    "flip_of_ceiling": 1.0,
    "removed": 1.0,
    "calibration": 1.0,
    "calibration_back": -1.0,
    "leakage_mean": 0.0,
    "leakage_max": 0.0,
    "leakage_related": 0.0,
    "others_kept": 1.0,
    "linearity": 1.0,
    "monotone": 1.0,
    "score": 1.0,
}
"""What each judged figure would be at best: of two judges, the one farther from it counts."""


@dataclass(frozen=True)
class Answers:
    """One judge's logits around a shift, float32; row i is the same image before and after.

    Attributes:
        without: [n, A] of R(N_a).
        added: [n, A] of N_a shifted by strength 1.
        having: [m, A] of R(P_a).
        removed: [m, A] of P_a shifted by strength -1.
        gaps: float64 [A], mean logit of R(P_b) less that of R(N_b), for each attribute b.
    """

    without: Float32
    added: Float32
    having: Float32
    removed: Float32
    gaps: Float64


def logit_gaps(logits: Float32, labels: Labels) -> Float64:
    """Mean logit of the images with an attribute less that of those without, float64 [A]."""
    having = (logits * labels).sum(axis=0, dtype=np.float64) / np.maximum(labels.sum(axis=0), 1)
    lacking = (~labels).sum(axis=0)
    without = (logits * ~labels).sum(axis=0, dtype=np.float64) / np.maximum(lacking, 1)
    return np.asarray(having - without)


def shift_figures(row: int, answers: Answers, without: Float64, having: Float64) -> Figures:
    """Flip, ceiling, removal and calibration of attribute ``row``, float64 [1 + draws] each.

    Args:
        row: The attribute.
        answers: Of one judge.
        without: Weights [1 + draws, n] of N_a.
        having: Weights [1 + draws, m] of P_a.

    A judge that answers all images alike leaves a gap of 0, and gets a calibration of 0.
    """
    before, after = answers.without[:, row], answers.added[:, row]
    there, gone = answers.having[:, row], answers.removed[:, row]
    flip = weighted_share(without, after > 0, before <= 0)
    ceiling = having @ (there > 0)
    gap = having @ there.astype(np.float64) - without @ before.astype(np.float64)
    gap = np.where(gap > MIN_GAP, gap, 0.0)
    return {
        "flip": flip,
        "ceiling": ceiling,
        "flip_of_ceiling": np.minimum(1.0, divided(flip, ceiling)),
        "removed": weighted_share(having, gone <= 0, there > 0),
        "gap": gap,
        "calibration": divided(without @ (after - before).astype(np.float64), gap),
        "calibration_back": divided(having @ (gone - there).astype(np.float64), gap),
    }


def leakage(row: int, answers: Answers, calibration: Float64, without: Float64) -> Float64:
    """What strength 1 moves each attribute by, in parts of its own gap, float64 [1 + draws, A].

    Relative to ``calibration`` [1 + draws], the part of its gap that attribute ``row`` moves; its
    own column is 0. An attribute without a gap counts as moved wholly as soon as it moves.
    """
    moved = np.abs(without @ (answers.added - answers.without).astype(np.float64))
    part = moved / np.maximum(answers.gaps, MIN_GAP)
    part /= np.maximum(calibration, MIN_CALIBRATION)[:, None]
    part[:, row] = 0.0
    return np.asarray(part)


def changed(before: Float32, after: Float32) -> Float64:
    """1 where the verdict on an attribute changes, float64 [N, A]."""
    return np.asarray((before > 0) != (after > 0), np.float64)


def judged_figures(
    row: int,
    answers: Answers,
    sides: tuple[Float64, Float64],
    *,
    counted: Labels,
    related: Labels,
    content: Float64,
) -> tuple[Figures, Float64]:
    """Every figure that one judge's answers give, and the row of `leakage` behind them.

    Args:
        row: The attribute.
        answers: Of the judge.
        sides: Weights of N_a and P_a.
        counted: bool [A], the attributes that should stay.
        related: bool [A], those that may move along.
        content: float64 [1 + draws], for the score.

    Returns:
        float64 [1 + draws] by name, and float64 [A].
    """
    found = shift_figures(row, answers, *sides)
    part = leakage(row, answers, found["calibration"], sides[0])
    found["leakage_mean"] = _mean_of(part[:, counted])
    found["leakage_max"] = part[:, counted].max(axis=1, initial=0.0)
    found["leakage_related"] = part[:, related].max(axis=1, initial=0.0)
    up = sides[0] @ changed(answers.without, answers.added)[:, counted]
    down = sides[1] @ changed(answers.having, answers.removed)[:, counted]
    found["others_kept"] = 1.0 - np.maximum(_mean_of(up), _mean_of(down))
    alone = 1.0 - np.minimum(1.0, found["leakage_mean"])
    found["score"] = found["flip_of_ceiling"] * alone * np.clip(content, 0.0, 1.0)
    return found, part[0]


def along(logits: Float32) -> tuple[float, Float64]:
    """Linearity and monotony of one attribute's answers along evenly spaced strengths.

    Args:
        logits: float32 [S, N], strengths from the lowest to the highest.

    Returns:
        R² of a line through the mean logits (0 if they never move), and per image, float64 [N],
        whether its probability never falls by more than `MAX_FALL` below what it was.
    """
    means = logits.mean(axis=1, dtype=np.float64)
    places = np.arange(len(means), dtype=np.float64)
    spread = ((means - means.mean()) ** 2).sum()
    covered = ((places - places.mean()) * means).sum() ** 2
    line = covered / (((places - places.mean()) ** 2).sum() * spread) if spread > MIN_GAP else 0.0
    probability = 0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64)))
    fall = np.maximum.accumulate(probability, axis=0) - probability
    return float(line), np.asarray((fall <= MAX_FALL).all(axis=0), np.float64)


def worse(first: Figures, second: Figures) -> Figures:
    """Of two judges' figures, each time the one that is farther from `WANTED`."""
    return {
        name: second[name]
        if abs(second[name][0] - wanted) > abs(first[name][0] - wanted)
        else first[name]
        for name, wanted in WANTED.items()
        if name in first
    }


def useful(strengths: tuple[float, ...], kept: Float64) -> tuple[float, float]:
    """Lowest and highest strength up to which `OTHERS_KEPT` holds, going outwards from 0.

    Args:
        strengths: In rising order, 0 among them.
        kept: float64 [S], share of the other attributes' verdicts that stay at each.
    """
    middle = strengths.index(0.0)
    low, high = middle, middle
    while low > 0 and kept[low - 1] >= OTHERS_KEPT:
        low -= 1
    while high < len(strengths) - 1 and kept[high + 1] >= OTHERS_KEPT:
        high += 1
    return strengths[low], strengths[high]


def _mean_of(columns: Float64) -> Float64:
    """Mean of each row; 0 where there are no columns."""
    return np.asarray(columns.mean(axis=1) if columns.shape[1] else np.zeros(len(columns)))

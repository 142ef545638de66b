"""What a shift leaves of an image beside the attribute: pure functions of features and pixels.

features or pixels of reconstructions and shifted images [n, D] → content, retrieval [n]

A perfect editor changes what shows the attribute and nothing else. Content is looked for where
the attribute does not show: in features without what reads it, in pixels that tell nothing of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from training.evaluation.bootstrap import divided

Float64 = NDArray[np.float64]
Labels = NDArray[np.bool_]
Numbers = NDArray[Any]

MAX_TELLING = 0.06
"""A pixel whose correlation with a label is at most this tells nothing of it."""
CHANCE = 2.5
"""Standard errors of a correlation that chance may give."""
LEAST = 0.1
"""At least this share of the pixels is looked at, whatever they tell."""
LEAST_SPREAD = 1.0
"""Standard deviation of a pixel in grey levels that is taken for nothing."""
TIE = 1e-6


def beside(features: Numbers, weights: Float64) -> Float64:
    """Features float32 [N, F] without what ``weights`` [K, F] read from them, of unit length."""
    basis = np.linalg.qr(weights.T)[0]
    rest = features.astype(np.float64)
    rest -= (rest @ basis) @ basis.T
    return _unit_length(rest)


def content(rebuilt: Float64, shifted: Float64, without: Float64) -> Float64:
    """How much of an image a shift leaves, float64 [1 + draws].

    Mean cosine of R and the shifted image, on a scale where 0 is the cosine of random pairs and 1
    is the same image.

    Args:
        rebuilt: float64 [n, F] of unit length, in random order.
        shifted: The same images after the shift.
        without: Weights [1 + draws, n].
    """
    kept = without @ (rebuilt * shifted).sum(axis=1)
    pairs = float((rebuilt * np.roll(rebuilt, 1, axis=0)).sum(axis=1).mean()) if len(rebuilt) else 0
    return divided(kept - pairs, np.full_like(kept, 1.0 - pairs))


def telling_nothing(values: Numbers, labels: Labels) -> Labels:
    """Which columns of ``values`` [N, D] say nothing of any of ``labels`` bool [N, K]: bool [D].

    Those whose correlation with each label is at most `MAX_TELLING`, or what chance may give; if
    they are fewer than `LEAST` of them all, as many as that which say least.
    """
    count = max(len(values), 1)
    centred, wanted = values - values.mean(axis=0), labels - labels.mean(axis=0)
    scale = np.outer(wanted.std(axis=0), centred.std(axis=0))
    together = np.abs(wanted.T @ centred) / count
    worst = (together / np.maximum(scale, 1e-9)).max(axis=0)
    limit = max(MAX_TELLING, CHANCE / np.sqrt(count), float(np.quantile(worst, LEAST)))
    return np.asarray(worst <= limit)


def retrieved(rebuilt: Numbers, shifted: Numbers) -> Float64:
    """Whether each shifted image lies nearest its own reconstruction, float64 [n].

    Nearest by the mean absolute difference, each column in its standard deviations: few pixels
    that change much count for little. Where k reconstructions are equally near, 1 / k of the
    answer is right.

    Args:
        rebuilt: [n, D], the columns that `telling_nothing` found.
        shifted: The same images after the shift.
    """
    if not len(rebuilt):
        return np.zeros(0)
    scale = np.maximum(rebuilt.std(axis=0), LEAST_SPREAD)
    apart = cdist(shifted / scale, rebuilt / scale, "cityblock")
    nearest = apart <= apart.min(axis=1, keepdims=True) + TIE
    return np.asarray(np.diagonal(nearest) / nearest.sum(axis=1), np.float64)


def _unit_length(rows: Numbers) -> Float64:
    """Rows scaled to unit length, float64; a row of zeros stays."""
    values = rows.astype(np.float64)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12))

"""Which labels belong together, so that moving one rightly moves the other.

labels bool [N, A] → correlation phi [A, A], related bool [A, A] · rows that occur with one added

Two labels are related if |phi| > 0.3, or if one of the four cells of their table is empty although
chance would fill it: they exclude each other (glasses, sunglasses), or one contains the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Labels = NDArray[np.bool_]

MAX_CORRELATION = 0.3
EXPECTED = 10.0
"""Images that chance must put into a cell before its emptiness means anything."""


def label_correlation(labels: Labels) -> Float64:
    """Phi of each pair, float64 [A, A] with 1 on the diagonal; 0 where a label never varies."""
    centred = labels - labels.mean(axis=0) if len(labels) else np.zeros(labels.shape)
    length = np.sqrt((centred**2).sum(axis=0))
    safe = np.where(length == 0.0, 1.0, length)
    phi = np.asarray((centred / safe).T @ (centred / safe), np.float64)
    np.fill_diagonal(phi, 1.0)
    return phi


def related_labels(labels: Labels) -> Labels:
    """Which labels are related, bool [A, A]; a label is related to itself."""
    related = np.abs(label_correlation(labels)) > MAX_CORRELATION
    sides = np.stack((labels, ~labels), axis=2).astype(np.float64)
    found = np.einsum("nai,nbj->abij", sides, sides, optimize=True)
    totals = sides.sum(axis=0)
    expected = np.einsum("ai,bj->abij", totals, totals) / max(len(labels), 1)
    empty = ((found == 0.0) & (expected >= EXPECTED)).any(axis=(2, 3))
    return np.asarray(related | empty)


def addable(labels: Labels, training: Labels, row: int) -> Labels:
    """Which images can have the attribute added at all, bool [N].

    Those without it whose labels with it added occur in the training set more than once: hair
    under a hat is neither long nor blond, and no shift can make it so. Where classes exclude each
    other, there is none.

    Args:
        labels: bool [N, A] of the images.
        training: bool [M, A].
        row: The attribute.
    """
    known, counts = np.unique(training[training[:, row]], axis=0, return_counts=True)
    occurs = {one.tobytes() for one in known[counts > 1]}
    wanted = labels.copy()
    wanted[:, row] = True
    found = np.fromiter((one.tobytes() in occurs for one in wanted), np.bool_, len(wanted))
    return np.asarray(found & ~labels[:, row])


def one_hot(labels: Labels) -> bool:
    """Whether the labels are classes: at least two, and exactly one true in every row."""
    return labels.shape[1] > 1 and len(labels) > 0 and bool((labels.sum(axis=1) == 1).all())

"""How well labels can be read out of the latent means, by a line and by neighbours.

training means [N, L], labels [N, A] → logistic regression, k nearest neighbours → test accuracy

Classes (exactly one label true in every row) are told apart at once; attributes one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.evaluation.bootstrap import Estimate, divided, estimate, image_weights
from training.evaluation.related import one_hot

Float32 = NDArray[np.float32]
Labels = NDArray[np.bool_]

NEIGHBOURS = 5
MAX_STEPS = 2000


class Reader(Protocol):
    """What scikit-learn's classifiers have in common."""

    def fit(self, rows: Float32, labels: NDArray[Any], /) -> Reader:
        """Learn ``labels`` [N] of ``rows`` float32 [N, L]."""

    def predict(self, rows: Float32, /) -> NDArray[Any]:
        """Labels [N]."""


@dataclass(frozen=True)
class Probe:
    """Held-out accuracy of reading labels out of the means.

    Attributes:
        kind: ``classes``: share of right classes. ``attributes``: balanced accuracy (0.5 is
            guessing), mean over the attributes.
        linear: Of logistic regression.
        neighbours: Of the majority of `NEIGHBOURS` neighbours.
        chance: What guessing reaches.
        each: Attribute → the two balanced accuracies; for classes the hit rates of each.
    """

    kind: Literal["classes", "attributes"]
    linear: Estimate
    neighbours: Estimate
    chance: float
    each: dict[str, tuple[float, float]]


def probe(
    names: tuple[str, ...],
    training_means: Float32,
    training_labels: Labels,
    test_means: Float32,
    test_labels: Labels,
    *,
    draws: int,
    seed: int,
) -> Probe | None:
    """Accuracies of both readers; None if no label has both values in both parts.

    Args:
        names: Of the A labels.
        training_means: float32 [N, L].
        training_labels: bool [N, A].
        test_means: float32 [M, L].
        test_labels: bool [M, A].
        draws: Of the bootstrap.
        seed: Of the bootstrap.
    """
    varied = _varies(training_labels) & _varies(test_labels)
    if not varied.any():
        return None
    weights = image_weights(len(test_means), draws, np.random.default_rng(seed))
    if one_hot(training_labels) and one_hot(test_labels):
        true = test_labels.argmax(axis=1)
        said = [
            reader.fit(training_means, training_labels.argmax(axis=1)).predict(test_means)
            for reader in _readers(len(training_means))
        ]
        right = [answer == true for answer in said]
        return Probe(
            kind="classes",
            linear=estimate(weights @ right[0]),
            neighbours=estimate(weights @ right[1]),
            chance=float(training_labels.mean(axis=0).max()),
            each={
                name: (float(right[0][rows].mean()), float(right[1][rows].mean()))
                for name, rows in zip(names, test_labels.T, strict=True)
                if rows.any()
            },
        )
    linear, near, each = [], [], {}
    for row in np.flatnonzero(varied):
        true = test_labels[:, row]
        accuracies = []
        for reader in _readers(len(training_means)):
            answer = reader.fit(training_means, training_labels[:, row]).predict(test_means)
            hit = divided(weights @ (answer & true), weights @ true)
            rejected = divided(weights @ (~answer & ~true), weights @ ~true)
            accuracies.append(0.5 * (hit + rejected))
        linear.append(accuracies[0])
        near.append(accuracies[1])
        each[names[row]] = (float(accuracies[0][0]), float(accuracies[1][0]))
    return Probe(
        kind="attributes",
        linear=estimate(np.mean(linear, axis=0)),
        neighbours=estimate(np.mean(near, axis=0)),
        chance=0.5,
        each=each,
    )


def _readers(items: int) -> tuple[Reader, Reader]:
    # Rare labels count as much as common ones.
    line = LogisticRegression(max_iter=MAX_STEPS, class_weight="balanced")
    # Neighbours are not scaled: latents that carry nothing would count like the others.
    return make_pipeline(StandardScaler(), line), KNeighborsClassifier(min(NEIGHBOURS, items))


def _varies(labels: Labels) -> Labels:
    return np.asarray(labels.any(axis=0) & ~labels.all(axis=0))

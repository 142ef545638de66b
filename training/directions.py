"""Directions: what one attribute adds to the latent, in four readings.

labels Y [N, A], encoder means Z [N, L] → directions [A, L]

    mean         mean of Z with it - mean of Z without it, all that comes along included
    ridge        (Y'Y/n + r I)⁻¹ Y'Z/n, both centred: the others held fixed
    lda          along w, the normal that separates with from without best
    conditional  the mean's, less all that would move the normals of protected attributes

1. Strength 1 closes the gap between without and with; no row is ever scaled to unit length.
2. Encoder means, never draws; float64 inside, float32 out.
3. Where the data say nothing (an attribute that all have, or none), the row is zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from bundle.manifest import DirectionKind

Bools = NDArray[np.bool_]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

RIDGE = 1e-3
"""r, relative to the number of items: keeps rare labels from exploding."""
SPREAD_FLOOR = 1e-6
"""Of the widest latent: a collapsed one is taken to spread at least so far within a class."""
LEAST_LEFT = 0.05
"""Of the separation: with less left beside the protected attributes, there is no direction."""


def mean_directions(labels: Bools, means: Float32) -> Float32:
    """The difference of group means, float32 [A, L] (Larsen et al. 2016).

    Args:
        labels: bool [N, A].
        means: float32 [N, L], row i belongs to item i.

    Raises:
        ValueError: Labels and means do not belong together, or hold values that are not finite.
    """
    return _gaps(*_checked(labels, means)).astype(np.float32)


def ridge_directions(labels: Bools, means: Float32) -> Float32:
    """Regression of the latent on all labels at once, float32 [A, L].

    Row a is the move for label a alone, not what merely comes along with it in the data.
    Arguments and errors are those of `mean_directions`.
    """
    present, z = _checked(labels, means)
    y = present - present.mean(axis=0)
    z = z - z.mean(axis=0)
    gram = y.T @ y / len(y) + RIDGE * np.eye(y.shape[1])
    rows: Float64 = np.linalg.solve(gram, y.T @ z / len(y))
    return rows.astype(np.float32)


def lda_directions(labels: Bools, means: Float32) -> Float32:
    """Fisher's normal w of each attribute, as long as closes its gap: float32 [A, L].

    v = w (w'd) / (w'w) with d the difference of means, so that w·v = w·d: the projection of the
    images without it lands on that of the images with it. Nothing moves across w. Arguments and
    errors are those of `mean_directions`.
    """
    y, z = _checked(labels, means)
    gaps = _gaps(y, z)
    normals = _normals(y, z, gaps)
    length: Float64 = (normals * gaps).sum(axis=1)
    length /= np.maximum(np.square(normals).sum(axis=1), 1e-300)
    return (normals * length[:, None]).astype(np.float32)


def conditional_directions(labels: Bools, means: Float32, protected: Bools) -> Float32:
    """The difference of means, less its part in the normals of protected attributes.

    u = d - W (W'W)⁺ W'd moves no protected normal (columns of W); v = u (w'd) / (w'u) then closes
    the attribute's own gap along its normal w (the conditional edit of Shen et al. 2020,
    "InterFaceGAN", there from the normal and of unit length). An attribute that cannot move while
    those stand still, as one of several classes that exclude each other, gets a row of zeros.

    Args:
        labels: bool [N, A].
        means: float32 [N, L], row i belongs to item i.
        protected: bool [A, A]; row a says which attributes a shift of a leaves alone. Its diagonal
            counts for nothing.

    Returns:
        float32 [A, L].

    Raises:
        ValueError: As `mean_directions`, or ``protected`` has another shape.
    """
    y, z = _checked(labels, means)
    attributes = y.shape[1]
    if protected.shape != (attributes, attributes):
        raise ValueError(
            f"protected has shape {protected.shape}, but {attributes} attributes call for "
            f"{(attributes, attributes)}"
        )
    gaps = _gaps(y, z)
    normals = _normals(y, z, gaps)
    lengths = np.linalg.norm(normals, axis=1)
    rows = np.zeros_like(gaps)
    for index, (gap, normal) in enumerate(zip(gaps, normals, strict=True)):
        others = protected[index] & (lengths > 0)
        others[index] = False
        walls = (normals[others] / lengths[others, None]).T
        left = gap - walls @ np.linalg.lstsq(walls, gap, rcond=None)[0]
        if normal @ left > LEAST_LEFT * (normal @ gap):
            rows[index] = left * (normal @ gap) / (normal @ left)
    return rows.astype(np.float32)


def directions_of(kind: DirectionKind, labels: Bools, means: Float32, protected: Bools) -> Float32:
    """Directions of one kind, float32 [A, L]; ``protected`` is for the conditional kind alone."""
    if kind == "conditional":
        return conditional_directions(labels, means, protected)
    if kind == "mean":
        return mean_directions(labels, means)
    return lda_directions(labels, means) if kind == "lda" else ridge_directions(labels, means)


def _checked(labels: Bools, means: Float32) -> tuple[Float64, Float64]:
    """Both in float64."""
    if {labels.ndim, means.ndim} != {2} or len(labels) != len(means) or not len(means):
        raise ValueError(
            f"labels [N, A] and means [N, L] must belong together, with N at least 1, not "
            f"{labels.shape} and {means.shape}"
        )
    if not np.isfinite(means).all():
        raise ValueError(
            f"{int((~np.isfinite(means)).sum())} of {means.size} encoder means are not finite; "
            "the network has diverged: train it again at a lower learning rate"
        )
    return labels.astype(np.float64), means.astype(np.float64)


def _gaps(y: Float64, z: Float64) -> Float64:
    """Mean of ``z`` with each label less that without it, [A, L]; zero where a group is empty."""
    with_it, all_items = y.sum(axis=0)[:, None], len(y)
    sums = y.T @ z
    both = (with_it > 0) & (with_it < all_items)
    gaps = sums / np.maximum(with_it, 1) - (z.sum(axis=0) - sums) / np.maximum(
        all_items - with_it, 1
    )
    return np.where(both, gaps, 0.0)


def _normals(y: Float64, z: Float64, gaps: Float64) -> Float64:
    """Fisher's normals [A, L] to ``gaps``, from covariances within the classes.

    Shrunk by Ledoit and Wolf's rule, so that fewer items than latents do; latents are brought to
    one spread before, so that a collapsed one is not taken for noise-free evidence.
    """
    centred = z - z.mean(axis=0)
    normals = np.zeros_like(gaps)
    for index, gap in enumerate(gaps):
        if not gap.any():
            continue
        within = centred - (y[:, index, None] - y[:, index].mean()) * gap
        spread = within.std(axis=0)
        widest = float(spread.max())
        scale = np.maximum(spread, SPREAD_FLOOR * widest) if widest > 0 else np.ones_like(spread)
        covariance = ledoit_wolf(within / scale, assume_centered=True)[0]
        covariance += SPREAD_FLOOR * np.eye(len(covariance))
        normals[index] = np.linalg.solve(covariance, gap / scale) / scale
    return normals


class RunningDirections(nn.Module):
    """The same directions while the encoder still moves: from running moments of the batches."""

    label_mean: Tensor
    latent_mean: Tensor
    label_label: Tensor
    label_latent: Tensor
    weight: Tensor

    def __init__(self, attributes: int, latent: int, *, decay: float = 0.98) -> None:
        """Moments that forget with ``decay`` per batch."""
        super().__init__()
        self.decay = decay
        self.register_buffer("label_mean", torch.zeros(attributes))
        self.register_buffer("latent_mean", torch.zeros(latent))
        self.register_buffer("label_label", torch.zeros(attributes, attributes))
        self.register_buffer("label_latent", torch.zeros(attributes, latent))
        self.register_buffer("weight", torch.zeros(()))

    @torch.no_grad()
    def update(
        self,
        labels: Tensor,
        means: Tensor,
        *,
        pool: Callable[[Tensor], Tensor] = lambda moment: moment,
    ) -> None:
        """Take in one batch: labels float [B, A], means float [B, L].

        ``pool`` makes a moment that of the whole batch, where this is a part of it.
        """
        keep, count = self.decay, len(labels)
        with torch.autocast(labels.device.type, enabled=False):
            moments = (
                (self.label_mean, labels.mean(dim=0)),
                (self.latent_mean, means.mean(dim=0)),
                (self.label_label, labels.T @ labels / count),
                (self.label_latent, labels.T @ means / count),
            )
        for buffer, moment in moments:
            buffer.mul_(keep).add_(pool(moment), alpha=1.0 - keep)
        self.weight.mul_(keep).add_(1.0 - keep)

    @torch.no_grad()
    def directions(self) -> Tensor:
        """Directions float [A, L] of what was taken in so far."""
        scale = 1.0 / self.weight.clamp_min(1e-6)
        y, z = self.label_mean * scale, self.latent_mean * scale
        gram = self.label_label * scale - torch.outer(y, y)
        cross = self.label_latent * scale - torch.outer(y, z)
        ridge = RIDGE * torch.eye(len(y), device=y.device, dtype=y.dtype)
        solved: Tensor = torch.linalg.solve(gram + ridge, cross)
        return solved

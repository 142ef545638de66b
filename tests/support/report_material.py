"""A report's material without any training: the model is a matrix, its images are stripes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from bundle import Prior
from bundle.pixels import to_grey_levels
from tests.support.pictures import TINY
from training.data import Split
from training.directions import ridge_directions
from training.report.material import Material
from training.run import RunConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 8


class Stripes:
    """Latent i is the brightness of columns i, i + L, …; what is encoded comes back."""

    def __init__(self, latent: int, *, variational: bool = True) -> None:
        """Of ``latent`` numbers."""
        self.latent, self.variational = latent, variational

    def encode(
        self, images: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        mean = np.stack(
            [images[:, :, i :: self.latent].mean(axis=(1, 2, 3)) for i in range(self.latent)], 1
        ).astype(np.float32)
        mean = (mean - 128.0) / 32.0
        return mean, np.full_like(mean, -2.0) if self.variational else None

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        return to_grey_levels(self.decode_unit(latents))

    def decode_unit(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        assert latents.dtype == np.float32
        assert latents.shape[1:] == (self.latent,)
        columns = (latents[:, np.arange(SIDE) % self.latent] * 32.0 + 128.0) / 255.0
        images = np.broadcast_to(columns[:, None, :, None], (len(latents), SIDE, SIDE, 1))
        return np.asarray(images.clip(0, 1), np.float32)


def material(
    labels: NDArray[np.bool_],
    attributes: tuple[str, ...],
    *,
    latent: int = 3,
    variational: bool = True,
    **changes: Any,
) -> Material:
    """Material of one random image for each row of ``labels`` bool [N, A]."""
    model = Stripes(latent, variational=variational)
    rng = np.random.default_rng(0)
    images = model.decode(rng.standard_normal((len(labels), latent), np.float32))
    mean, logvar = model.encode(images)
    config = RunConfig(
        preset=TINY,
        seed=0,
        dataset=changes.pop("dataset", "stripes"),
        licence="CC0-1.0",
        attributes=attributes,
        images=len(labels),
        limit=None,
        data="data/stripes",
        torch_version="2",
    )
    given: dict[str, Any] = {
        "config": config,
        "parameters": 1234,
        "finished": datetime(2025, 1, 2, 3, 4, tzinfo=UTC),
        "curves": {},
        "model": model,
        "part": Split.TEST,
        "unseen": True,
        "images": images,
        "labels": labels,
        "mean": mean,
        "logvar": logvar,
        "directions": ridge_directions(labels, mean),
        "prior": Prior.gaussian(mean),
        "fitted": len(labels),
        "seed": 0,
    }
    return Material(**{**given, **changes})


def random_labels(count: int, attributes: int) -> NDArray[np.bool_]:
    """Attributes that are there half of the time, bool [count, attributes]."""
    return np.random.default_rng(1).random((count, attributes)) < 0.5


def class_labels(count: int, classes: int) -> NDArray[np.bool_]:
    """One class for each row, in turn, bool [count, classes]."""
    return np.eye(classes, dtype=np.bool_)[np.arange(count) % classes]

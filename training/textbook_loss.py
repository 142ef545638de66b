"""The loss that a text-book prints, as two weights."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TextbookLoss(BaseModel):
    """The weighted sum that a text-book minimises.

    Both weights multiply sums over one image: of its error over all values, of its KL over all
    latents. A mean over D values, as most books take it, is a weight of 1/D.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reconstruction: Literal["bce", "sse"] = Field(
        description="Cross-entropy of grey levels in nats, or squared error of unit values."
    )
    reconstruction_weight: float = Field(gt=0)
    kl_weight: float = Field(ge=0, description="Of the KL in nats; 0 for a plain autoencoder.")
    batch: Literal["mean", "sum"] = Field(
        default="mean", description="Over the images of a batch; figures are always means."
    )

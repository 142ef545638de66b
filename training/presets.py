"""Presets: everything that decides a training run but its data, under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from bundle.manifest import ImageSpec

if TYPE_CHECKING:
    from collections.abc import Mapping


class Preset(BaseModel):
    """One recipe: image, network, objective and optimiser.

    A weight of the objective says what share of the reconstruction's nats it speaks for, or how
    many nats one nat of it counts for; 0 leaves the term out, and with it its cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    image: ImageSpec

    latent: int = Field(default=64, gt=0, description="Latent dimensions.")
    widths: tuple[int, ...] = Field(
        default=(32, 64, 128, 256), min_length=2, description="Channels of each stride-2 stage."
    )
    residual: int = Field(
        default=1, ge=0, description="Residual blocks on the second-smallest map."
    )

    epochs: int = Field(default=12, gt=0)
    batch_size: int = Field(default=64, gt=1)
    learning_rate: float = Field(default=2e-3, gt=0, description="Of AdamW, at its highest.")
    weight_decay: float = Field(default=1e-4, ge=0)
    warm_up_steps: int = Field(default=300, ge=0, description="Steps until the highest rate.")
    kl_warm_up_epochs: float = Field(default=1.0, ge=0, description="Until KL counts in full.")
    ema_decay: float = Field(default=0.999, ge=0, lt=1, description="Of the averaged weights.")

    detail_weight: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Share of the pixel weight that goes where attributes show (needs labels).",
    )
    feature_weight: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Share of the reconstruction measured in the judge's features (needs labels).",
    )
    shift_weight: float = Field(
        default=60.0,
        ge=0,
        description="Nats that one nat of the judge's doubt about a shifted image counts for.",
    )
    cycle_weight: float = Field(
        default=20.0,
        ge=0,
        description="Weight of what a shifted image loses when it is encoded again.",
    )
    shift_warm_up_epochs: float = Field(
        default=2.0, ge=0, description="After the KL's warm-up, until shifts count in full."
    )
    shift_focus: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the shifts that goes to attributes by how often they still fail.",
    )
    shift_share: float = Field(
        default=0.25, gt=0, le=1, description="Share of each batch that is shifted."
    )
    judge_epochs: int = Field(default=2, gt=0, description="Epochs of the training judge.")


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="faces-64",
            summary="Aligned colour portraits, 64 × 64, 64 latents",
            image=ImageSpec(height=64, width=64, channels=3, resize="box", crop="centre"),
        ),
        Preset(
            name="fashion-32",
            summary="Fashion-MNIST and the like: grey, 32 × 32, 16 latents",
            image=ImageSpec(height=32, width=32, channels=1, resize="bilinear", crop="pad"),
            latent=16,
            widths=(32, 64, 128),
            epochs=12,
        ),
        Preset(
            name="products-64",
            summary="Product photos of any shape, 64 × 64 colour, 64 latents",
            image=ImageSpec(height=64, width=64, channels=3, resize="box", crop="centre"),
            epochs=60,
            warm_up_steps=100,
        ),
    )
}
"""Every preset by its name."""

"""Presets: everything that decides a training run but its data, under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bundle.manifest import ImageSpec
from training.augment import Augmentation
from training.textbook_loss import TextbookLoss

if TYPE_CHECKING:
    from collections.abc import Mapping


KERAS_EPSILON = 1e-7
MISTAKEN = "chollet-mnist-1e"
"""The one network whose book prints its sampling wrong."""


class Preset(BaseModel):
    """One recipe: image, network, objective and optimiser.

    A weight of the objective says what share of the reconstruction's nats it speaks for, or how
    many nats one nat of it counts for; 0 leaves the term out, and with it its cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    image: ImageSpec
    source: str = Field(default="", description="The book that prints it; empty for our own.")

    network: str = Field(
        default="vae", description="`vae` is our own; a reference network bears its preset's name."
    )
    latent: int = Field(default=64, gt=0, description="Latent dimensions.")
    widths: tuple[int, ...] = Field(
        default=(32, 64, 128, 256),
        min_length=2,
        description="Channels of each stride-2 stage of `vae`.",
    )
    residual: int = Field(
        default=1, ge=0, description="Residual blocks on the second-smallest map of `vae`."
    )
    textbook: TextbookLoss | None = Field(
        default=None, description="The loss of a book instead of the calibrated objective."
    )
    printed_mistake: bool = Field(
        default=False,
        description=f"Of {MISTAKEN}: train on mean + exp(logvar) · noise, as the book prints it.",
    )
    learns_from: Literal["train", "train+validation", "all"] = Field(
        default="train",
        description="Which parts are learnt. With `train+validation` the test part is watched; "
        "with `all`, the validation part, which is then learnt too.",
    )
    augment: Augmentation = Field(
        default_factory=Augmentation, description="How training images are varied."
    )

    epochs: int = Field(default=12, gt=0)
    least_steps: int = Field(
        default=1500,
        ge=0,
        description="Optimiser steps of a run, at least: a set too small for them is gone through "
        "several times in each epoch.",
    )
    batch_size: int = Field(default=64, gt=1)
    optimiser: Literal["adamw", "adam", "rmsprop"] = "adamw"
    learning_rate: float = Field(default=2e-3, gt=0, description="At its highest.")
    epsilon: float = Field(default=1e-8, gt=0, description="Of the optimiser's denominator.")
    weight_decay: float = Field(default=1e-4, ge=0)
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine", description="Of the learning rate; `constant` has no warm-up either."
    )
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
    extent_weight: float = Field(
        default=3.0,
        ge=0,
        description="Within shift_weight, of the squared part of the judge's usual answer to real "
        "images that a shift by 1 lacks.",
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
    head_weight: float = Field(
        default=0.0,
        ge=0,
        description="Nats that one nat of a linear head's doubt about the labels counts for.",
    )
    order_weight: float = Field(
        default=0.0,
        ge=0,
        description="Weight of one latent for each attribute being in the order of its label.",
    )
    judge_epochs: int = Field(default=2, gt=0, description="Epochs of the training judge.")
    judge_least_steps: int = Field(default=400, ge=0, description="Its steps, at least.")

    def passes(self, images: int) -> int:
        """How often each epoch goes through a training set of so many ``images``."""
        steps = self.epochs * max(1, images // self.batch_size)
        return max(1, -(-self.least_steps // steps))

    def judge_steps(self, images: int) -> int:
        """Optimiser steps of the training judge on a training set of so many ``images``."""
        return max(self.judge_least_steps, self.judge_epochs * (images // self.batch_size))

    @model_validator(mode="after")
    def _mistake_is_one_that_was_printed(self) -> Self:
        if self.printed_mistake and (self.network != MISTAKEN or self.textbook is None):
            raise ValueError(
                f"printed_mistake is for the network and loss of {MISTAKEN}, not for "
                f"{self.network}; leave it off"
            )
        return self


def _book(
    name: str, summary: str, source: str, *, textbook: TextbookLoss, **recipe: object
) -> Preset:
    """A text-book's recipe: its own network, a constant rate, nothing that the book lacks."""
    return Preset.model_validate(
        {
            "name": name,
            "network": name,
            "summary": summary,
            "source": source,
            "textbook": textbook,
            "optimiser": "adam",
            "epsilon": KERAS_EPSILON,
            "least_steps": 0,
            "weight_decay": 0.0,
            "schedule": "constant",
            "warm_up_steps": 0,
            "kl_warm_up_epochs": 0.0,
            "ema_decay": 0.0,
            **recipe,
        }
    )


_FOSTER = "Foster, Generative Deep Learning, 2nd ed."
_CHOLLET = "Chollet, Deep Learning with Python"
_LIU = "Liu, Learn Generative AI with PyTorch"
_GREY_32 = ImageSpec(height=32, width=32, channels=1, resize="bilinear", crop="place")
_GREY_28 = ImageSpec(height=28, width=28, channels=1, resize="bilinear", crop="place")


def _colour(side: int) -> ImageSpec:
    return ImageSpec(height=side, width=side, channels=3, resize="bilinear", crop="squash")


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="faces-64",
            summary="Aligned portraits in colour",
            image=ImageSpec(height=64, width=64, channels=3, resize="box", crop="centre"),
            order_weight=20.0,
            cycle_weight=0.0,
        ),
        Preset(
            name="faces-128",
            summary="The same, larger",
            image=ImageSpec(height=128, width=128, channels=3, resize="box", crop="centre"),
            latent=128,
            widths=(24, 48, 96, 192, 256),
            # Four times the values of faces-64, and thus of its nats.
            shift_weight=240.0,
            order_weight=80.0,
            cycle_weight=0.0,
        ),
        Preset(
            name="fashion-32",
            summary="Fashion-MNIST and the like",
            image=ImageSpec(height=32, width=32, channels=1, resize="bilinear", crop="place"),
            latent=16,
            widths=(32, 64, 128),
            epochs=8,
            # A twelfth of the values of a portrait: what counts the same in nats would drown them.
            shift_weight=12.0,
            extent_weight=1.0,
        ),
        Preset(
            name="products-64",
            summary="Product photos of any shape",
            image=ImageSpec(height=64, width=64, channels=3, resize="box", crop="centre"),
            epochs=60,
            warm_up_steps=100,
            order_weight=20.0,
            cycle_weight=0.0,
        ),
        _book(
            "foster-fashion-ae",
            "Autoencoder, Fashion-MNIST",
            f"{_FOSTER}, 3.1",
            image=_GREY_32,
            latent=2,
            textbook=TextbookLoss(
                reconstruction="bce", reconstruction_weight=1 / 1024, kl_weight=0.0
            ),
            learns_from="train+validation",
            epochs=3,
            batch_size=100,
            learning_rate=1e-3,
        ),
        _book(
            "foster-fashion-vae",
            "VAE, Fashion-MNIST",
            f"{_FOSTER}, 3.2",
            image=_GREY_32,
            latent=2,
            textbook=TextbookLoss(
                reconstruction="bce", reconstruction_weight=500 / 1024, kl_weight=1.0
            ),
            learns_from="train+validation",
            epochs=5,
            batch_size=100,
            learning_rate=5e-4,
        ),
        _book(
            "foster-faces-32",
            "VAE, CelebA",
            f"{_FOSTER}, 3.3",
            image=_colour(32),
            latent=200,
            textbook=TextbookLoss(
                reconstruction="sse", reconstruction_weight=2000 / 3072, kl_weight=1.0
            ),
            learns_from="all",
            epochs=10,
            batch_size=128,
            learning_rate=5e-4,
        ),
        _book(
            "foster-faces-64",
            "VAE, CelebA, first release",
            f"{_FOSTER}, 3.3",
            image=_colour(64),
            latent=200,
            textbook=TextbookLoss(
                reconstruction="sse", reconstruction_weight=2000 / 12288, kl_weight=1.0
            ),
            learns_from="all",
            epochs=10,
            batch_size=128,
            learning_rate=5e-4,
        ),
        _book(
            "chollet-mnist-1e",
            "VAE, MNIST, sampling corrected",
            f"{_CHOLLET}, 1st ed., 8.4",
            image=_GREY_28,
            latent=2,
            # -5e-4 times the mean over both latents of 1 + logvar - mean² - exp(logvar), which is
            # 5e-4 times the KL: its ½ and the mean over two cancel.
            textbook=TextbookLoss(
                reconstruction="bce", reconstruction_weight=1 / 784, kl_weight=5e-4
            ),
            learns_from="train+validation",
            optimiser="rmsprop",
            epochs=10,
            batch_size=16,
            learning_rate=1e-3,
        ),
        _book(
            "chollet-mnist-2e",
            "VAE, MNIST",
            f"{_CHOLLET}, 2nd ed., 12.4",
            image=_GREY_28,
            latent=2,
            # The book takes the mean of the KL over both latents.
            textbook=TextbookLoss(reconstruction="bce", reconstruction_weight=1.0, kl_weight=0.5),
            learns_from="all",
            epochs=30,
            batch_size=128,
            learning_rate=1e-3,
        ),
        _book(
            "liu-mnist-ae",
            "Autoencoder, MNIST",
            f"{_LIU}, ch. 7",
            image=_GREY_28,
            latent=20,
            textbook=TextbookLoss(
                reconstruction="sse", reconstruction_weight=1.0, kl_weight=0.0, batch="sum"
            ),
            learns_from="train+validation",
            epsilon=1e-8,
            epochs=10,
            batch_size=32,
            learning_rate=2.5e-4,
        ),
        _book(
            "liu-glasses-256",
            "VAE, faces and eyeglasses",
            f"{_LIU}, ch. 7",
            image=_colour(256),
            latent=100,
            textbook=TextbookLoss(
                reconstruction="sse", reconstruction_weight=1.0, kl_weight=1.0, batch="sum"
            ),
            learns_from="all",
            epsilon=1e-8,
            weight_decay=1e-5,
            epochs=10,
            batch_size=16,
            learning_rate=1e-4,
        ),
    )
}
"""Every preset by its name."""

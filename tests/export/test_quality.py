"""The reporting judge's figures, on networks whose behaviour is known exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from export.quality import attribute_quality
from tests.support.pictures import pictures
from training.judge import Judge
from training.models import Latent

if TYPE_CHECKING:
    from training.models import VAE

DATA = pictures(300)
DIRECTIONS = np.eye(2, dtype=np.float32)


class _Encoder(nn.Module):
    """Latents are the two labels, read from pixels that show them."""

    def forward(self, image: Tensor) -> Latent:
        bar = (image[:, 0, 14, 5] > 0.9).float()
        bright = (image[:, 0, 0, 0] > 0.3).float()
        mean = torch.stack((bar, bright), 1)
        return Latent(mean, torch.zeros_like(mean))


class _Decoder(nn.Module):
    """Draws what the latents say: a bar, a bright ground; ``deaf`` to some of them."""

    def __init__(self, *, deaf: int | None = None, leaks: bool = False) -> None:
        super().__init__()
        self.deaf, self.leaks = deaf, leaks

    def forward(self, latent: Tensor) -> Tensor:
        shown = latent.clone()
        if self.deaf is not None:
            shown[:, self.deaf] = 0.0
        if self.leaks:
            shown[:, 1] = shown[:, 1] + shown[:, 0]
        image = torch.full((len(latent), 1, 16, 16), 30 / 255)
        image[shown[:, 1] > 0.5] = 140 / 255
        image[:, :, 13:15, 2:-2] = torch.where(
            shown[:, 0, None, None, None] > 0.5, 1.0, image[:, :, 13:15, 2:-2]
        )
        return image


class _Judge(Judge):
    """Sees both attributes without fail, or says yes to everything."""

    def __init__(self, *, always_yes: bool = False) -> None:
        super().__init__(channels=1, height=16, width=16, attributes=2)
        self.always_yes = always_yes

    def forward(self, image: Tensor) -> Tensor:
        if self.always_yes:
            return torch.ones(len(image), 2)
        return torch.stack((image[:, 0, 14, 5] - 0.9, image[:, 0, 0, 0] - 0.3), 1)


class _Network(nn.Module):
    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = _Encoder(), decoder


def _quality(decoder: nn.Module, judge: Judge | None = None) -> list[dict[str, float]]:
    network: VAE = _Network(decoder)  # type: ignore[assignment]  # the same two parts
    found = attribute_quality(network, DIRECTIONS, judge or _Judge(), DATA, DATA)
    return [quality.figures() for quality in found]


def test_a_perfect_network_is_perfect() -> None:
    for figures in _quality(_Decoder()):
        assert set(figures.values()) == {1.0}


def test_an_attribute_that_the_decoder_does_not_draw_is_neither_kept_nor_added() -> None:
    bar, bright = _quality(_Decoder(deaf=0))
    assert bar["kept"] == 0.5
    assert bar["added"] == 0.0
    assert bright["added"] == bright["removed"] == 1.0


def test_a_shift_that_moves_another_attribute_is_seen() -> None:
    bar, _ = _quality(_Decoder(leaks=True))
    assert bar["added"] == 1.0
    assert bar["others_kept"] < 0.7


def test_a_judge_that_always_says_yes_shows_by_its_own_accuracy() -> None:
    for figures in _quality(_Decoder(), _Judge(always_yes=True)):
        assert figures["judged"] == figures["kept"] == 0.5
        assert figures["removed"] == 0.0

"""The losses of the text-books, each written out as its book prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from training.models import Latent, Network
from training.presets import PRESETS, Preset
from training.textbook import TextbookModule

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 6


def _bce(image: Tensor, decoded: Tensor) -> Tensor:
    """Of every pixel, [B, C, H, W]."""
    return -(image * decoded.log() + (1 - image) * (1 - decoded).log())


def _kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """Of every latent, [B, L]: Keras examples write it so."""
    return -0.5 * (1 + logvar - mean**2 - logvar.exp())


def _kl_of_sigma(mean: Tensor, sigma: Tensor) -> Tensor:
    return sigma**2 / 2 + mean**2 / 2 - sigma.log() - 0.5


# What the book prints: image, decoded, mean, logvar → the loss of a batch.
PRINTED: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "foster-fashion-ae": lambda x, y, _m, _v: _bce(x, y).mean(),
    "foster-fashion-vae": lambda x, y, m, v: 500 * _bce(x, y).mean() + _kl(m, v).sum(1).mean(),
    "foster-faces-32": lambda x, y, m, v: 2000 * ((x - y) ** 2).mean() + _kl(m, v).sum(1).mean(),
    "foster-faces-64": lambda x, y, m, v: 2000 * ((x - y) ** 2).mean() + _kl(m, v).sum(1).mean(),
    "chollet-mnist-1e": lambda x, y, m, v: (
        _bce(x, y).mean() - 5e-4 * (1 + v - m**2 - v.exp()).mean(dim=1).mean()
    ),
    "chollet-mnist-2e": lambda x, y, m, v: _bce(x, y).sum(dim=(1, 2, 3)).mean() + _kl(m, v).mean(),
    "liu-mnist-ae": lambda x, y, _m, _v: ((x - y) ** 2).sum(),
    "liu-glasses-256": lambda x, y, m, v: (
        ((x - y) ** 2).sum() + _kl_of_sigma(m, (0.5 * v).exp()).sum()
    ),
}


class _Encoder(nn.Module):
    def __init__(self, latent: Latent) -> None:
        super().__init__()
        self.latent = latent

    def forward(self, _image: Tensor) -> Latent:
        return self.latent


class _Decoder(nn.Module):
    """Gives one picture whatever it gets, and keeps what it got."""

    def __init__(self, picture: Tensor) -> None:
        super().__init__()
        self.picture, self.got = picture, torch.empty(0)

    def forward(self, latent: Tensor) -> Tensor:
        self.got = latent
        return self.picture


def _module(preset: Preset, latent: Latent, picture: Tensor) -> tuple[TextbookModule, _Decoder]:
    assert preset.textbook is not None
    # Any network: it is put aside.
    own = preset.model_copy(update={"network": "chollet-mnist-2e", "image": _SMALL})
    module = TextbookModule(own, preset.textbook, seed=4, steps_per_epoch=10)
    decoder = _Decoder(picture)
    module.network = Network(_Encoder(latent), decoder)
    module._encode, module._decode = [module.network.encoder], [decoder]
    return module, decoder


_SMALL = PRESETS["chollet-mnist-2e"].image


def _case(name: str) -> tuple[Preset, Tensor, Tensor, Latent]:
    preset = PRESETS[name]
    image, generator = preset.image, torch.Generator().manual_seed(1)
    shape = (BATCH, image.channels, image.height, image.width)
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    decoded = 0.02 + 0.96 * torch.rand(shape, generator=generator)
    mean, logvar = torch.randn(2, BATCH, preset.latent, generator=generator)
    return preset, pixels, decoded, Latent(mean, None if name.endswith("-ae") else logvar)


@pytest.mark.parametrize("name", PRINTED)
def test_the_loss_is_the_printed_one(name: str) -> None:
    preset, pixels, decoded, latent = _case(name)
    module, _ = _module(preset, latent, decoded)
    logged: dict[str, Tensor] = {}
    module.log_dict = lambda figures, **_: logged.update(figures)  # type: ignore[assignment, method-assign]
    loss = module.training_step((pixels, torch.zeros(BATCH, 0)), 0)
    image = pixels.float() / 255
    spread = torch.zeros_like(latent.mean) if latent.logvar is None else latent.logvar
    printed = PRINTED[name](image, decoded, latent.mean, spread)
    torch.testing.assert_close(loss, printed, rtol=1e-4, atol=1e-5)
    # What is logged is per image, also where the book adds up the batch.
    share = BATCH if name.startswith("liu") else 1
    torch.testing.assert_close(logged["train/book_loss"] * share, loss)
    parts = [logged[key] for key in ("train/book_reconstruction", "train/book_kl") if key in logged]
    torch.testing.assert_close(sum(parts), logged["train/book_loss"])
    assert ("train/kl" in logged) == ("train/book_kl" in logged) == (latent.logvar is not None)
    if latent.logvar is not None:
        nats = _kl(latent.mean, latent.logvar).sum(1).mean()
        torch.testing.assert_close(logged["train/kl"], nats, rtol=1e-4, atol=1e-4)


def test_every_reference_preset_has_its_printed_loss() -> None:
    assert set(PRINTED) == {name for name, preset in PRESETS.items() if preset.textbook}


def _drawn(preset: Preset, latent: Latent) -> tuple[Tensor, Tensor]:
    """What the decoder got, and the noise that was drawn."""
    module, decoder = _module(preset, latent, torch.full((BATCH, 1, 28, 28), 0.5))
    module.log_dict = lambda *_, **__: None  # type: ignore[assignment, method-assign]
    pixels = torch.zeros(BATCH, 1, 28, 28, dtype=torch.uint8)
    module.training_step((pixels, torch.zeros(BATCH, 0)), 0)
    return decoder.got, module.draws(0).normal(BATCH, 2)


def test_the_mistake_is_made_where_it_is_asked_for() -> None:
    preset, _, _, latent = _case("chollet-mnist-1e")
    assert latent.logvar is not None
    right, noise = _drawn(preset, latent)
    torch.testing.assert_close(right, latent.mean + (0.5 * latent.logvar).exp() * noise)
    printed = Preset.model_validate({**preset.model_dump(), "printed_mistake": True})
    wrong, noise = _drawn(printed, latent)
    torch.testing.assert_close(wrong, latent.mean + latent.logvar.exp() * noise)


@pytest.mark.parametrize("name", ["faces-64", "chollet-mnist-2e"])
def test_a_mistake_that_nobody_printed_is_refused(name: str) -> None:
    changed: dict[str, Any] = {**PRESETS[name].model_dump(), "printed_mistake": True}
    with pytest.raises(ValidationError, match="printed_mistake is for the network and loss of"):
        Preset.model_validate(changed)


def test_validation_logs_the_same_figures_from_a_draw() -> None:
    preset, pixels, decoded, latent = _case("chollet-mnist-2e")
    module, decoder = _module(preset, latent, decoded)
    logged: dict[str, Tensor] = {}
    module.log_dict = lambda figures, **_: logged.update(figures)  # type: ignore[assignment, method-assign]
    module.log = lambda *_, **__: None  # type: ignore[assignment, method-assign]
    module.validation_step((pixels, torch.zeros(BATCH, 0)), 0)
    assert not torch.equal(decoder.got, latent.mean)
    assert latent.logvar is not None
    printed = PRINTED["chollet-mnist-2e"](pixels.float() / 255, decoded, latent.mean, latent.logvar)
    torch.testing.assert_close(logged["val/book_loss"], printed, rtol=1e-4, atol=1e-5)
    assert {"val/psnr", "val/kl", "val/nll", "val/drawn_mse"} < logged.keys()


def test_a_plain_autoencoder_has_no_rate() -> None:
    preset, pixels, decoded, latent = _case("liu-mnist-ae")
    module, _ = _module(preset, latent, decoded)
    logged: dict[str, Tensor] = {}
    module.log_dict = lambda figures, **_: logged.update(figures)  # type: ignore[assignment, method-assign]
    module.log = lambda *_, **__: None  # type: ignore[assignment, method-assign]
    module.validation_step((pixels, torch.zeros(BATCH, 0)), 0)
    assert not [name for name in logged if "kl" in name]
    assert "val/drawn_mse" not in logged

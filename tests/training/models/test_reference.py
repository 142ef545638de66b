"""The networks of the text-books: parameter by parameter, shape by shape."""

from __future__ import annotations

import pytest
import torch

from training.models import Latent, build_network, check_network, parameter_count
from training.models.reference import REFERENCES
from training.models.reference.parts import LOGVAR_BOUND, Encoder
from training.presets import PRESETS, Preset

# Encoder and decoder as the books' own summaries count them, statistics of normalisations
# included. Liu's two are counted from the listing.
COUNTS = {
    "foster-fashion-ae": (96_770, 246_273),
    "foster-fashion-vae": (100_868, 246_273),
    "foster-faces-32": (653_584, 700_803),
    "foster-faces-64": (253_584, 240_131),
    "chollet-mnist-1e": (494_244, 56_385),
    "chollet-mnist-2e": (69_076, 65_089),
    "liu-mnist-ae": (161_020, 161_784),
    "liu-glasses-256": (31_702_168, 31_630_323),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_parameters_are_those_of_the_book(name: str) -> None:
    with torch.device("meta"):
        network = build_network(PRESETS[name])
    counts = parameter_count(network.encoder), parameter_count(network.decoder)
    assert counts == COUNTS[name]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_goes_there_and_back(name: str) -> None:
    preset = PRESETS[name]
    with torch.device("meta"):
        network = build_network(preset).eval()
        image = torch.empty(2, preset.image.channels, preset.image.height, preset.image.width)
        latent = network.encoder(image)
        decoded = network.decoder(latent.mean)
    assert decoded.shape == image.shape
    assert latent.mean.shape == (2, preset.latent)
    assert (latent.logvar is not None) == network.variational == (not name.endswith("-ae"))


def test_images_come_out_between_0_and_1() -> None:
    torch.manual_seed(0)
    decoded = build_network(PRESETS["chollet-mnist-2e"]).decoder(1e4 * torch.randn(8, 2))
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    assert decoded.std() > 0.1


@pytest.mark.parametrize(
    ("network", "size", "said"),
    [
        (
            "foster-fashion-vae",
            28,
            r"'foster-fashion-vae' is written for images of 32×32×1, not 28×28×1",
        ),
        ("liu-glasses-256", 28, r"written for images of 256×256×3, not 28×28×1.*network 'vae'"),
        ("foster", 28, r"no network 'foster'; there are vae, foster-fashion-ae"),
        ("vae", 28, r"28 pixels cannot be halved 3 times"),
    ],
)
def test_a_network_refuses_images_that_it_was_not_written_for(
    network: str, size: int, said: str
) -> None:
    image = PRESETS["fashion-32"].image.model_copy(update={"height": size, "width": size})
    preset = PRESETS["fashion-32"].model_copy(update={"network": network, "image": image})
    with pytest.raises(ValueError, match=said):
        check_network(preset)


def test_our_own_network_is_for_squares() -> None:
    image = PRESETS["faces-64"].image.model_copy(update={"height": 128})
    with pytest.raises(ValueError, match="square images, not 128×64"):
        check_network(PRESETS["faces-64"].model_copy(update={"image": image}))


def test_another_number_of_latents_is_taken() -> None:
    preset = Preset.model_validate({**PRESETS["chollet-mnist-2e"].model_dump(), "latent": 7})
    assert build_network(preset).encoder(torch.rand(1, 1, 28, 28)).mean.shape == (1, 7)


@pytest.mark.parametrize(("head", "factor"), [("logvar", 1.0), ("log_sigma", 2.0)])
def test_a_log_sigma_head_is_half_a_logvar(head: str, factor: float) -> None:
    torch.manual_seed(0)
    encoder = Encoder(torch.nn.Sequential(torch.nn.Flatten()), 4, 3, head=head)  # type: ignore[arg-type]
    image = torch.rand(5, 1, 2, 2)
    assert encoder.spread is not None
    said = encoder.spread(image.flatten(1))
    torch.testing.assert_close(encoder(image).logvar, factor * said)
    assert encoder(1e6 * image).logvar.abs().max() > LOGVAR_BOUND
    assert encoder.eval()(1e6 * image).logvar.abs().max() == LOGVAR_BOUND


def test_a_point_is_its_own_draw() -> None:
    mean = torch.randn(3, 2)
    assert torch.equal(Latent(mean, None).draw(torch.randn(3, 2)), mean)

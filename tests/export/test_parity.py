from __future__ import annotations

import numpy as np
import pytest
import torch

from bundle.manifest import ImageSpec
from export.graphs import decoder_graph, encoder_graph
from export.parity import BATCH_SIZES, ParityError, check_parity
from training.models import VAE, build_network
from training.presets import PRESETS

SPEC = ImageSpec(height=16, width=16, channels=3, resize="box", crop="centre")


def _network(seed: int) -> VAE:
    torch.manual_seed(seed)
    return VAE(channels=3, size=16, widths=(8, 16), residual=1, latent=4).eval()


def test_graphs_of_the_network_pass_and_those_of_another_fail() -> None:
    network = _network(0)
    encoder, decoder = encoder_graph(network, SPEC), decoder_graph(network, 4)
    images = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), dtype=np.uint8)
    parity = check_parity(network, encoder, decoder, images, latent=4)
    assert [row.batch for row in parity.worst] == list(BATCH_SIZES)
    assert all(row.encoder_relative <= 1e-4 for row in parity.worst)
    assert all(row.decoder_grey_levels <= 1 for row in parity.worst)
    with pytest.raises(ParityError, match="at batch 1 the graphs differ"):
        check_parity(_network(1), encoder, decoder, images, latent=4)


def test_a_plain_autoencoder_has_a_mean_alone() -> None:
    preset = PRESETS["liu-mnist-ae"]
    network = build_network(preset).eval()
    encoder, decoder = encoder_graph(network, preset.image), decoder_graph(network, preset.latent)
    assert [output.name for output in encoder.graph.output] == ["mean"]
    images = np.random.default_rng(0).integers(0, 256, (32, 28, 28, 1), dtype=np.uint8)
    parity = check_parity(network, encoder, decoder, images, latent=preset.latent)
    assert max(row.encoder_relative for row in parity.worst) <= 1e-4

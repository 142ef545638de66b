from __future__ import annotations

import torch
from torch import nn

from export.fold import fold
from training.models import VAE


def _trained_look(network: nn.Module) -> nn.Module:
    """Statistics and scales as after training: none is 0 or 1 any more."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    return network.eval()


def test_folding_changes_nothing_but_the_operators() -> None:
    network = VAE(channels=3, size=32, widths=(8, 16, 24), residual=2, latent=6)
    _trained_look(network)
    image, latent = torch.rand(3, 3, 32, 32), torch.randn(3, 6)
    with torch.no_grad():
        for part, example in ((network.encoder, image), (network.decoder, latent)):
            folded = fold(part)
            expected, found = part(example), folded(example)
            pairs = (
                zip(expected, found, strict=True)
                if isinstance(expected, tuple)
                else [(expected, found)]
            )
            for ours, theirs in pairs:
                torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-5)
            assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())


def test_the_network_itself_is_left_alone() -> None:
    network = _trained_look(VAE(channels=1, size=16, widths=(8, 16), residual=1, latent=3))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fold(network)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])

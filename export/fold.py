"""The trained network as what is served: convolutions alone.

    Upsample + BatchNorm → ConvTranspose2d · Conv2d, Linear + BatchNorm → Conv2d, Linear

Exact up to float rounding; parity is measured after it, against the network before it.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from training.models.blocks import Upsample, fold_upsample


def fold(network: nn.Module) -> nn.Module:
    """A copy of ``network`` (in evaluation mode) with upsampling and normalisation folded in."""
    folded = copy.deepcopy(network).eval()
    _fold_children(folded)
    return folded


def _fold_children(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, Upsample):
            setattr(module, name, _transposed(child))
        else:
            _fold_children(child)
    if isinstance(module, nn.Sequential):
        _fold_normalisation(module)


@torch.no_grad()
def _transposed(upsample: Upsample) -> nn.ConvTranspose2d:
    weight = fold_upsample(upsample.weight)
    inputs, outputs = weight.shape[:2]
    layer = nn.ConvTranspose2d(
        inputs, outputs, 4, stride=2, padding=1, bias=upsample.bias is not None
    )
    layer.weight.copy_(weight)
    if layer.bias is not None and upsample.bias is not None:
        layer.bias.copy_(upsample.bias)
    return layer.eval()


def _fold_normalisation(chain: nn.Sequential) -> None:
    for place in range(len(chain) - 1):
        layer, norm = chain[place], chain[place + 1]
        if isinstance(norm, nn.BatchNorm1d) and isinstance(layer, nn.Linear):
            chain[place] = fuse_linear_bn_eval(layer, norm)
        elif not isinstance(norm, nn.BatchNorm2d):
            continue
        # A layer that pads or crops by itself stays what it is: only its numbers change.
        elif isinstance(layer, nn.ConvTranspose2d):
            chain[place] = fuse_conv_bn_eval(layer, norm, transpose=True)
        elif isinstance(layer, nn.Conv2d):
            chain[place] = fuse_conv_bn_eval(layer, norm)
        else:
            continue
        chain[place + 1] = nn.Identity()

"""The two ONNX graphs: uint8 NHWC at the borders, everything else inside.

    image uint8 [N, H, W, C] → scale, layout → encoder → mean, logvar float32 [N, L]
    latent float32 [N, L] → decoder → scale, round, layout → image uint8 [N, H, W, C]

The batch axis is dynamic. Random numbers stay outside. A plain autoencoder has no logvar output.
"""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bundle.pixels import GREY_LEVELS
from export.fold import fold

if TYPE_CHECKING:
    import onnx

    from bundle.manifest import ImageSpec
    from training.models import Network

OPSET = 20
ROUNDING = "Round"
"""The operator whose input is the image before rounding; there is one in the decoder's graph."""


class EncoderGraph(nn.Module):
    """The encoder as it is served."""

    def __init__(self, network: Network) -> None:
        """Folded copy of the encoder of ``network``."""
        super().__init__()
        self.encoder = fold(network.encoder)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """uint8 [N, H, W, C] → mean, and logvar if there is one, float32 [N, L]."""
        mean, logvar = self.encoder(image.permute(0, 3, 1, 2).float() * (1.0 / GREY_LEVELS))
        return (mean,) if logvar is None else (mean, logvar)


class DecoderGraph(nn.Module):
    """The decoder as it is served."""

    def __init__(self, network: Network) -> None:
        """Folded copy of the decoder of ``network``."""
        super().__init__()
        self.decoder = fold(network.decoder)

    def forward(self, latent: Tensor) -> Tensor:
        """Float32 [N, L] → uint8 [N, H, W, C]; the decoder ends in [0, 1], nothing to clip."""
        grey = torch.round(self.decoder(latent) * float(GREY_LEVELS))
        return grey.to(torch.uint8).permute(0, 2, 3, 1)


def encoder_outputs(network: Network) -> tuple[str, ...]:
    """Names of the encoder's outputs, in their order."""
    return ("mean", "logvar") if network.variational else ("mean",)


def encoder_graph(network: Network, image: ImageSpec) -> onnx.ModelProto:
    """The encoder's graph of ``network``, which must be in evaluation mode."""
    example = torch.zeros((2, *image.shape), dtype=torch.uint8)
    return _export(EncoderGraph(network), example, "image", list(encoder_outputs(network)))


def decoder_graph(network: Network, latent: int) -> onnx.ModelProto:
    """The decoder's graph of ``network``, which must be in evaluation mode."""
    return _export(DecoderGraph(network), torch.zeros((2, latent)), "latent", ["image"])


def _export(graph: nn.Module, example: Tensor, inputs: str, outputs: list[str]) -> onnx.ModelProto:
    # The exporter reports every operator library that is not installed; none is needed.
    logger = logging.getLogger("torch.onnx")
    before, logger.level = logger.level, logging.ERROR
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                graph.eval(),
                (example,),
                input_names=[inputs],
                output_names=outputs,
                dynamic_shapes=({0: torch.export.Dim("N")},),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    finally:
        logger.level = before
    if program is None:
        raise RuntimeError("the ONNX exporter gave no program")
    model = program.model_proto
    # Source lines of the machine that exported are of no use to a reader, and not theirs.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    model.graph.doc_string = ""
    return model

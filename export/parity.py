"""Parity: the graphs, run by ONNX Runtime, against the trained network, run by torch.

random images and latents at several batch sizes → both sides → worst difference of each

Compared are the network before folding and the exact bytes that are shipped; the decoder also
before its rounding, through a copy of the graph that shows that value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import torch

from bundle.manifest import Parity, ParityRow
from bundle.pixels import GREY_LEVELS
from export.graphs import ROUNDING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.rows import Images
    from training.models import Network

BATCH_SIZES = (1, 3, 8, 32)
RELATIVE = 1e-4
"""Of the largest value of a tensor: how far floats may differ."""
GREY = 1
"""Grey levels that a rounded pixel may differ by."""


class ParityError(RuntimeError):
    """A graph does not compute what the trained network computes."""


def check_parity(
    network: Network,
    encoder: onnx.ModelProto,
    decoder: onnx.ModelProto,
    images: Images,
    *,
    latent: int,
) -> Parity:
    """Compare at batch sizes 1, 3, 8 and 32.

    Args:
        network: In evaluation mode, on the CPU.
        encoder: Its graph.
        decoder: Its graph.
        images: uint8 [N, H, W, C], at least 32.
        latent: L.

    Raises:
        ParityError: A difference passes its tolerance.
    """
    encode = _session(encoder)
    decode = _session(_showing_input_of(ROUNDING, decoder))
    rng = np.random.default_rng(0)
    rows = []
    for batch in BATCH_SIZES:
        pixels = images[:batch]
        latents = rng.standard_normal((batch, latent), np.float32)
        with torch.no_grad():
            unit = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / GREY_LEVELS
            expected_parts = [part for part in network.encoder(unit) if part is not None]
            expected_image = network.decoder(torch.from_numpy(latents)).numpy() * GREY_LEVELS
        found_latent = encode.run(None, {"image": pixels})
        image, unrounded = decode.run(None, {"latent": latents})
        rounded = np.rint(expected_image).transpose(0, 2, 3, 1)
        row = ParityRow(
            batch=batch,
            encoder_relative=max(
                _relative(found, expected.numpy())
                for found, expected in zip(found_latent, expected_parts, strict=True)
            ),
            decoder_relative=_relative(unrounded, expected_image),
            decoder_grey_levels=int(np.abs(image.astype(np.int16) - rounded).max()),
        )
        rows.append(row)
        worst = max(row.encoder_relative, row.decoder_relative)
        if worst > RELATIVE or row.decoder_grey_levels > GREY:
            raise ParityError(
                f"at batch {batch} the graphs differ from the network by {worst:.2g} relative "
                f"(limit {RELATIVE}) and {row.decoder_grey_levels} grey levels (limit {GREY})"
            )
    return Parity(tolerance_relative=RELATIVE, tolerance_grey_levels=GREY, worst=tuple(rows))


def _relative(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1e-12))


def _showing_input_of(operator: str, model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    inner = [node.input[0] for node in copy.graph.node if node.op_type == operator]
    if len(inner) != 1:
        raise ParityError(f"the decoder's graph has {len(inner)} {operator} operators, not one")
    copy.graph.output.append(
        onnx.helper.make_tensor_value_info(inner[0], onnx.TensorProto.FLOAT, None)
    )
    return copy


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

"""Parity: the graphs, run by ONNX Runtime, against the trained network, run by torch.

images and latents at several batch sizes → both sides → worst difference of each

Compared are the network before folding and the exact bytes that are shipped; the decoder also
before its rounding, through a copy of the graph that shows that value. Float graphs must compute
what the network computes, up to the rounding of floats; those in less must come near it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
import torch

from bundle.manifest import Parity, ParityRow
from bundle.pixels import GREY_LEVELS
from export.graphs import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bundle.manifest import Precision
    from training.data.rows import Images
    from training.models import Network

BATCH_SIZES = (1, 3, 8, 32)
RELATIVE = 1e-4
"""Of the largest value of a tensor: how far floats may differ."""
GREY = 1
"""Grey levels that a rounded pixel may differ by."""
LIMITS: dict[Precision, Parity] = {
    "int8": Parity(
        tolerance_relative=0.1, tolerance_grey_levels=GREY_LEVELS, tolerance_psnr=30.0, worst=()
    ),
    "float16": Parity(
        tolerance_relative=0.01, tolerance_grey_levels=2, tolerance_psnr=45.0, worst=()
    ),
}
"""How far graphs in less than float32 may differ: the encoder relative to the largest value of mean
or logvar; the decoder in grey levels, and in dB of the worst image."""
_NO_ERROR = 1e-10
"""Mean squared error of unit values that counts as none: 100 dB."""


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
    differences = _Differences(network, encoder, decoder)
    rng = np.random.default_rng(0)
    rows = []
    for batch in BATCH_SIZES:
        latents = rng.standard_normal((batch, latent), np.float32)
        row = differences.of(images[:batch], latents)
        rows.append(row)
        worst = max(row.encoder_relative, row.decoder_relative)
        if worst > RELATIVE or row.decoder_grey_levels > GREY:
            raise ParityError(
                f"at batch {batch} the graphs differ from the network by {worst:.2g} relative "
                f"(limit {RELATIVE}) and {row.decoder_grey_levels} grey levels (limit {GREY})"
            )
    return Parity(tolerance_relative=RELATIVE, tolerance_grey_levels=GREY, worst=tuple(rows))


def check_near(
    network: Network,
    encoder: onnx.ModelProto,
    decoder: onnx.ModelProto,
    images: Images,
    precision: Precision,
) -> Parity:
    """Compare graphs in less than float32, at batch sizes 1, 3, 8 and 32.

    The latents are the images' own means.

    Args:
        network: In evaluation mode, on the CPU.
        encoder: From `export.int8` or `export.float16`.
        decoder: Likewise.
        images: uint8 [N, H, W, C], at least 32: test images, as calibration takes what was learnt.
        precision: Its `LIMITS` hold.

    Raises:
        ParityError: A difference passes its tolerance.
    """
    differences = _Differences(network, encoder, decoder)
    with torch.no_grad():
        means = network.encoder(_unit(images[: max(BATCH_SIZES)])).mean.numpy()
    rows = tuple(differences.of(images[:batch], means[:batch]) for batch in BATCH_SIZES)
    limits, found = LIMITS[precision], worst_of(rows)
    if not (
        found.relative <= limits.tolerance_relative
        and found.levels <= limits.tolerance_grey_levels
        and found.psnr >= (limits.tolerance_psnr or 0)
    ):
        raise ParityError(
            f"in {precision} the encoder differs from the network by {found.relative:.2g} relative "
            f"(limit {limits.tolerance_relative}) and images of the decoder are {found.psnr:.1f} "
            f"dB from the network's (at least {limits.tolerance_psnr:g} dB wanted) and up to "
            f"{found.levels} grey levels (limit {limits.tolerance_grey_levels}); this model needs "
            f"float32: export it without {precision}"
        )
    return limits.model_copy(update={"worst": rows})


class Worst(NamedTuple):
    """The worst of several batch sizes: relative, grey levels, dB."""

    relative: float
    levels: int
    psnr: float


def worst_of(rows: Sequence[ParityRow]) -> Worst:
    """The worst of all rows."""
    return Worst(
        max(row.encoder_relative for row in rows),
        max(row.decoder_grey_levels for row in rows),
        min(row.decoder_psnr for row in rows if row.decoder_psnr is not None),
    )


class _Differences:
    """Both graphs beside the network."""

    def __init__(
        self, network: Network, encoder: onnx.ModelProto, decoder: onnx.ModelProto
    ) -> None:
        self._network = network
        self._encode = _session(encoder)
        self._decode = _session(_showing_input_of(ROUNDING, decoder))

    def of(self, pixels: NDArray[np.uint8], latents: NDArray[np.float32]) -> ParityRow:
        """The worst of one batch: uint8 [N, H, W, C] encoded, float32 [N, L] decoded."""
        with torch.no_grad():
            parts = [part for part in self._network.encoder(_unit(pixels)) if part is not None]
            grey = self._network.decoder(torch.from_numpy(latents)).numpy() * GREY_LEVELS
        found = self._encode.run(None, {"image": pixels})
        image, unrounded = self._decode.run(None, {"latent": latents})
        off = image.astype(np.float32) - np.rint(grey).transpose(0, 2, 3, 1)
        error = np.square(off / GREY_LEVELS).mean(axis=(1, 2, 3), dtype=np.float64)
        return ParityRow(
            batch=len(pixels),
            encoder_relative=max(
                _relative(values, expected.numpy())
                for values, expected in zip(found, parts, strict=True)
            ),
            decoder_relative=_relative(unrounded, grey),
            decoder_grey_levels=int(np.abs(off).max()),
            decoder_psnr=round(-10.0 * float(np.log10(max(error.max(), _NO_ERROR))), 2),
        )


def _unit(pixels: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / GREY_LEVELS


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

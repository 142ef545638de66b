"""The graphs in int8: convolutions on 8-bit integers, everything else as it was.

    training images uint8 [N, H, W, C] → encoder in floats → means [N, L] → decoder in floats
    ranges of what goes in and out of each convolution → QuantizeLinear, DequantizeLinear around it

Judges nothing: `export.parity` compares the outcome with the network.

1. Inputs, outputs and all that is done to pixels and latents stay in floats: only `Conv` is
   quantised. On a CPU ONNX Runtime is slower by transposed convolutions in int8, and gains next to
   nothing by matrix products; latents of 256 levels would move in steps.
2. Weights have 7 bits, a scale for each output channel. With 8 bits, sums saturate on x86 CPUs
   without VNNI instructions; one file must be as good everywhere as where it was measured.
3. At most `IMAGES` images are looked at, all of them training images.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from export.graph_model import GraphBytes, GraphModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from training.data import Dataset

OPERATORS = ("Conv",)
"""What is quantised."""
IMAGES = 256
"""Training images that ranges are measured on; four times as many gave the same parity."""
BATCH = 16
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")
"""Tells the quantiser that the graph is folded already; otherwise it logs advice to do that."""


class Int8Error(ValueError):
    """The graphs cannot be quantised; the message says why."""


class Int8Graphs(NamedTuple):
    """Both graphs; one without convolutions is the float graph itself."""

    encoder: onnx.ModelProto
    decoder: onnx.ModelProto


def int8_graphs(
    encoder: onnx.ModelProto, decoder: onnx.ModelProto, training: Dataset
) -> Int8Graphs:
    """Quantise both graphs.

    Args:
        encoder: The float graph.
        decoder: The float graph.
        training: What was learnt; at most `IMAGES` of it are read, evenly spread.

    Raises:
        Int8Error: Neither graph has a convolution.
    """
    if not (_can(encoder) or _can(decoder)):
        raise Int8Error(
            f"neither graph has a {' or '.join(OPERATORS)}, and nothing else is faster in int8; "
            "export the run without int8"
        )
    floats = GraphBytes(encoder.SerializeToString(), decoder.SerializeToString())
    images = calibration_images(training)
    means, _ = GraphModel(floats).encode(images)
    return Int8Graphs(_quantised(encoder, images), _quantised(decoder, means))


def is_int8(graph: onnx.ModelProto) -> bool:
    """Whether anything in ``graph`` is quantised."""
    return any(node.op_type == "QuantizeLinear" for node in graph.graph.node)


def calibration_images(training: Dataset) -> NDArray[np.uint8]:
    """At most `IMAGES` images uint8 [N, H, W, C], evenly spread: sets may be sorted."""
    count = min(IMAGES, len(training))
    return np.asarray(training.images[np.arange(count) * len(training) // count], np.uint8)


def _can(graph: onnx.ModelProto) -> bool:
    return any(node.op_type in OPERATORS for node in graph.graph.node)


def _quantised(graph: onnx.ModelProto, rows: NDArray[Any]) -> onnx.ModelProto:
    """A quantised copy, calibrated on rows [N, …] of its input; itself, if it has nothing to."""
    if not _can(graph):
        return graph
    prepared = onnx.ModelProto()
    prepared.CopyFrom(graph)
    key, value = _PREPARED
    prepared.metadata_props.add(key=key, value=value)
    with TemporaryDirectory(prefix="int8-") as folder:
        file = Path(folder) / "graph.onnx"
        quantize_static(
            prepared,
            file,
            _Reader(graph.graph.input[0].name, rows),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATORS),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        model = onnx.load(file)
    del model.metadata_props[:]
    return model


class _Reader:
    """Rows in batches, as the quantiser asks for them."""

    def __init__(self, name: str, rows: NDArray[Any]) -> None:
        self._batches: Iterator[dict[str, NDArray[Any]]] = iter(
            [{name: rows[start : start + BATCH]} for start in range(0, len(rows), BATCH)]
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next batch; None after the last."""
        return next(self._batches, None)

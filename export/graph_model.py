"""A bundle's graphs as the evaluation's model: ONNX Runtime, and no torch in the way of an image.

images uint8 [N, H, W, C] → encoder.onnx → mean, logvar [N, L]
latents [N, L] → decoder.onnx → images uint8 [N, H, W, C], or [0, 1] before the rounding

What is measured is what is served. Only likelihoods need the values before the rounding; they
come from a copy of the decoder's graph in which nothing else is changed.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from bundle.pixels import GREY_LEVELS
from export.graphs import ROUNDING

if TYPE_CHECKING:
    from bundle import Bundle

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

BATCH = 16
_ERRORS_ONLY = 3


class GraphBytes(NamedTuple):
    """The two graphs of a bundle that is not written yet."""

    encoder: bytes
    decoder: bytes


class GraphModel:
    """A `training.evaluation.Model` over the two graphs of a bundle, on the CPU.

    Args:
        bundle: From `bundle.open_bundle`, or `GraphBytes`.
        threads: Of one run of a graph; 0 takes every core.
        batch: Images in one run.
    """

    def __init__(
        self, bundle: Bundle | GraphBytes, *, threads: int = 1, batch: int = BATCH
    ) -> None:
        """Open both graphs."""
        self._threads = threads
        self._batch = batch
        self._decoder_graph = bundle.decoder
        self._encoder = _session(bundle.encoder, threads)
        self._decoder = _session(bundle.decoder, threads)
        self.latent: int = self._decoder.get_inputs()[0].shape[1]

    def encode(self, images: UInt8) -> tuple[Float32, Float32 | None]:
        """uint8 [N, H, W, C] → mean, logvar float32 [N, L]; no logvar: a plain autoencoder."""
        outputs = self._run(self._encoder, images)
        return outputs["mean"], outputs.get("logvar")

    def decode(self, latents: Float32) -> UInt8:
        """float32 [N, L] → uint8 [N, H, W, C]."""
        return self._run(self._decoder, latents)["image"]

    def decode_unit(self, latents: Float32) -> Float32:
        """float32 [N, L] → float32 [N, H, W, C] in [0, 1], before the rounding if there is one."""
        grey = self._run(self._unrounded, latents)["image"]
        unit: Float32 = np.clip(grey.astype(np.float32) * np.float32(1 / GREY_LEVELS), 0.0, 1.0)
        return unit

    @cached_property
    def _unrounded(self) -> ort.InferenceSession:
        return _session(unrounded(self._decoder_graph), self._threads)

    def _run(self, session: ort.InferenceSession, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
        feed = session.get_inputs()[0].name
        names = [output.name for output in session.get_outputs()]
        parts = [
            session.run(names, {feed: np.ascontiguousarray(rows[start : start + self._batch])})
            for start in range(0, max(len(rows), 1), self._batch)
        ]
        return {
            name: np.concatenate(arrays)
            for name, arrays in zip(names, zip(*parts, strict=True), strict=True)
        }


def unrounded(decoder: bytes) -> bytes:
    """A decoder's graph that answers float32 [N, H, W, C] in grey levels, not yet rounded.

    A graph without the operator `ROUNDING` comes back as it is.
    """
    model = onnx.load_from_string(decoder)
    rounding = [node for node in model.graph.node if node.op_type == ROUNDING]
    if not rounding:
        return decoder
    for node in rounding:
        node.op_type = "Identity"
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == onnx.TensorProto.UINT8:
                attribute.i = onnx.TensorProto.FLOAT
    # Types that the file states for values on the way would contradict the new ones.
    del model.graph.value_info[:]
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return bytes(model.SerializeToString())


def _session(graph: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

"""A graph in float16: weights and arithmetic of half the width, its borders as they were.

    float graph → weights and operators in float16, Cast at inputs, outputs and before the rounding

Judges nothing: `export.parity` compares the outcome with the network. That is for GPUs; ONNX
Runtime's CPU kernels compute it in float32, with a cast on either side of each operator.
"""

from __future__ import annotations

import onnx
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from export.graphs import ROUNDING


def float16_graph(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in float16; inputs and outputs keep their datatypes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    half = OnnxModel(
        convert_float_to_float16(
            copy,
            keep_io_types=True,
            # Grey levels are rounded in float32, where parity can look at them.
            op_block_list=[*DEFAULT_OP_BLOCK_LIST, ROUNDING],
        )
    )
    # The casts of inputs come last otherwise.
    half.topological_sort()
    model: onnx.ModelProto = half.model
    return model


def is_float16(graph: onnx.ModelProto) -> bool:
    """Whether any weight of ``graph`` is in float16."""
    return any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in graph.graph.initializer)

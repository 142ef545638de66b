"""What a graph costs by arithmetic: operations and bytes, counted from the ONNX file, not measured.

    ONNX bytes → shapes for one row → Cost(operations, bytes) → batch, peak, bandwidth → bound

1. A multiplication and the addition to its sum are two operations; anything element by element is
   one for each output.
2. Bytes are those of the weights, once a batch, and of what products read and write, for each row:
   activations and sums next to a product are taken as fused with it. So the bound is a lower one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

if TYPE_CHECKING:
    from collections.abc import Mapping

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_ELEMENTWISE = frozenset(
    {"Add", "Sub", "Mul", "Div", "LeakyRelu", "Relu", "Sigmoid", "Tanh", "Clip", "Round", "Exp"}
    | {"Elu", "Selu", "Gelu", "HardSwish", "Softplus", "BatchNormalization"}
)
_Shape = tuple[int, ...]


@dataclass(frozen=True)
class Cost:
    """Of one graph.

    Attributes:
        operations: For each row.
        weight_bytes: Of all constants.
        activation_bytes: That products read and write for each row, without the weights.
        input_bytes: Of the graph's inputs for each row.
        output_bytes: Of the graph's outputs for each row.
        uncounted: Kinds of nodes that count as nothing (they move data, or are not known here).
    """

    operations: int
    weight_bytes: int
    activation_bytes: int
    input_bytes: int
    output_bytes: int
    uncounted: tuple[str, ...]

    def seconds(self, batch: int, peak: float, bandwidth: float) -> float:
        """The least time of a batch: that of arithmetic or of memory, whichever is longer.

        Args:
            batch: Rows.
            peak: Operations a second.
            bandwidth: Bytes a second of the device's memory.
        """
        moved = self.weight_bytes + batch * self.activation_bytes
        return max(batch * self.operations / peak, moved / bandwidth)

    def intensity(self, batch: int) -> float:
        """Operations for each byte of memory; below peak / bandwidth, memory is the bound."""
        return batch * self.operations / (self.weight_bytes + batch * self.activation_bytes)


def count(model: bytes) -> Cost:
    """The cost of a graph whose first axis is the batch.

    Raises:
        ValueError: A product's shape cannot be inferred.
    """
    graph = _for_one_row(onnx.load_from_string(model)).graph
    constants = {each.name: tuple(each.dims) for each in graph.initializer}
    values = (*graph.value_info, *graph.input, *graph.output)
    shapes = constants | {each.name: _shape(each) for each in values}
    sizes = {each.name: _item_bytes(each) for each in values}
    operations = activation_bytes = 0
    uncounted = set()
    for node in graph.node:
        if node.op_type in PRODUCTS:
            operations += _product(node, shapes)
            names = [name for name in (*node.input, *node.output) if name and name not in constants]
            activation_bytes += sum(_elements(name, shapes) * sizes.get(name, 4) for name in names)
        elif node.op_type in _ELEMENTWISE:
            operations += _elements(node.output[0], shapes)
        else:
            uncounted.add(node.op_type)
    inputs = [each for each in graph.input if each.name not in constants]
    return Cost(
        operations=operations,
        weight_bytes=sum(numpy_helper.to_array(each).nbytes for each in graph.initializer),
        activation_bytes=activation_bytes,
        input_bytes=sum(prod(_shape(each)) * _item_bytes(each) for each in inputs),
        output_bytes=sum(prod(_shape(each)) * _item_bytes(each) for each in graph.output),
        uncounted=tuple(sorted(uncounted)),
    )


def _for_one_row(model: onnx.ModelProto) -> onnx.ModelProto:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    # Shapes inferred earlier hold the free batch size.
    del model.graph.value_info[:]
    return shape_inference.infer_shapes(model, data_prop=True)


def _shape(value: onnx.ValueInfoProto) -> _Shape:
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _item_bytes(value: onnx.ValueInfoProto) -> int:
    kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    return np.dtype(kind).itemsize


def _elements(name: str, shapes: Mapping[str, _Shape]) -> int:
    shape = shapes.get(name, ())
    if name not in shapes or 0 in shape:
        raise ValueError(f"the shape of {name!r} cannot be inferred; export the graph again")
    return prod(shape)


def _product(node: onnx.NodeProto, shapes: Mapping[str, _Shape]) -> int:
    """Two operations for each multiplication, and one for each bias that is added."""
    given, made = _elements(node.input[0], shapes), _elements(node.output[0], shapes)
    weight = shapes[node.input[1]]
    if node.op_type == "Conv":
        # Weight [Cout, Cin / groups, kernel]: so many multiplications for each output.
        multiplications = made * prod(weight[1:])
    elif node.op_type == "ConvTranspose":
        # Weight [Cin, Cout / groups, kernel]: each input goes into so many outputs.
        multiplications = given * prod(weight[1:])
    else:
        turned = any(each.name == "transB" and each.i for each in node.attribute)
        inner = weight[1] if turned else weight[-2]
        multiplications = made * inner
    biased = len(node.input) > 2 and node.input[2]  # noqa: PLR2004 - data, weight, bias
    return 2 * multiplications + (made if biased else 0)

"""Operations and bytes of small graphs, worked out by hand."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.flops import count
from tests.support.tiny_bundle import tiny_bundle_content


def graph(
    nodes: list[onnx.NodeProto],
    weights: dict[str, tuple[int, ...]],
    shape: list[int],
    out: list[int],
) -> bytes:
    """A model from ``x`` ["N", *shape] to ``y`` ["N", *out]."""
    made = helper.make_graph(
        nodes,
        "hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", *out])],
        [numpy_helper.from_array(np.zeros(s, np.float32), name) for name, s in weights.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def test_a_convolution_and_its_activation() -> None:
    model = graph(
        [
            helper.make_node("Conv", ["x", "w", "b"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], ["y"]),
        ],
        {"w": (5, 3, 3, 3), "b": (5,)},
        [3, 8, 8],
        [5, 4, 4],
    )
    cost = count(model)
    made = 5 * 4 * 4
    # 27 products and sums for each output, a bias, and the activation.
    assert cost.operations == made * (2 * 27 + 1 + 1)
    assert cost.weight_bytes == 4 * (5 * 27 + 5)
    assert cost.activation_bytes == 4 * (3 * 64 + made)
    assert (cost.input_bytes, cost.output_bytes) == (4 * 192, 4 * 80)
    assert cost.uncounted == ()


def test_groups_divide_the_work() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=4)
    model = graph([node], {"w": (8, 1, 1, 1)}, [4, 6, 6], [8, 6, 6])
    assert count(model).operations == 2 * 8 * 36


def test_a_transposed_convolution_counts_by_its_inputs() -> None:
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], kernel_shape=[2, 2])
    model = graph([node], {"w": (6, 3, 2, 2)}, [6, 4, 4], [3, 8, 8])
    # Kernel and stride are equal, so each output is one input of each channel, times a weight.
    assert count(model).operations == 2 * (3 * 8 * 8) * 6


@pytest.mark.parametrize("turned", [0, 1])
def test_a_matrix_product_either_way_round(turned: int) -> None:
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=turned)
    model = graph([node], {"w": (7, 10) if turned else (10, 7), "b": (7,)}, [10], [7])
    assert count(model).operations == 7 * (2 * 10 + 1)


def test_what_moves_data_is_named_and_costs_nothing() -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["t", "w"], ["y"]),
    ]
    cost = count(graph(nodes, {"w": (3, 2)}, [3, 5], [5, 2]))
    assert cost.operations == 2 * 5 * 2 * 3
    assert cost.uncounted == ("Transpose",)


def test_the_bound_is_memory_for_one_row_and_arithmetic_for_many() -> None:
    _, files = tiny_bundle_content()
    cost = count(files["decoder.onnx"])
    pixels = 16 * 16 * 3
    assert cost.operations == pixels * (2 * 4 + 4)  # the product; scale, shift, clip, round
    assert (cost.input_bytes, cost.output_bytes) == (4 * 4, pixels)
    assert cost.intensity(1000) > cost.intensity(1)
    # The weights are read once, however many rows there are.
    peak, bandwidth = 1e9, 1e9
    assert cost.seconds(1, peak, bandwidth) == pytest.approx(
        (cost.weight_bytes + cost.activation_bytes) / bandwidth
    )
    assert cost.seconds(1000, peak, bandwidth) == pytest.approx(1000 * cost.operations / peak)

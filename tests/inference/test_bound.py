"""Buffers that stay: equal rows whatever the bucket, nothing shared, nothing believed."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from inference.bound import BoundGraph, Way, bind, ways
from inference.sessions import OrtGraph, open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CPU = Way("cpu")
SIZES = (1, 4, 16)


def model(*, known: bool = True) -> bytes:
    """From pixels uint8 [N, 3]: their complement uint8, and twice the pixels float32."""
    nodes = [
        helper.make_node("BitwiseNot", ["pixels"], ["complement"]),
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["floats", "floats"], ["twice"]),
    ]
    width = 3 if known else "width"
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", width])],
        [
            helper.make_tensor_value_info("complement", TensorProto.UINT8, ["n", width]),
            helper.make_tensor_value_info("twice", TensorProto.FLOAT, ["n", width]),
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = proto.SerializeToString()
    return content


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    return open_session(model(), device="cpu")


@pytest.fixture(scope="module")
def bound(session: ort.InferenceSession) -> BoundGraph:
    return BoundGraph(session, SIZES, CPU)


def plain(session: ort.InferenceSession) -> Callable[[NDArray[np.uint8]], tuple[NDArray, ...]]:
    return lambda rows: tuple(session.run(None, {"pixels": rows}))


def pixels(size: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size, 3), np.uint8)


@given(st.lists(st.integers(1, 16), min_size=1, max_size=8))
def test_every_batch_gives_its_own_rows_whatever_came_before(
    bound: BoundGraph, sizes: list[int]
) -> None:
    for seed, size in enumerate(sizes):
        rows = pixels(size, seed)
        complement, twice = bound(rows)
        np.testing.assert_array_equal(complement, 255 - rows)
        np.testing.assert_array_equal(twice, 2.0 * rows)


def test_what_was_returned_stays_when_the_next_batch_runs(bound: BoundGraph) -> None:
    first = bound(pixels(4, seed=1))
    kept = [output.copy() for output in first]
    rows = pixels(4, seed=2)
    bound(rows)
    rows[:] = 0
    for output, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(output, copy)
        assert output.flags.owndata


def test_it_serves_an_engine_s_thread(session: ort.InferenceSession) -> None:
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(bind, session, SIZES, plain(session), (CPU,)).result()
        assert made is not None
        assert made.largest == 16
        assert pool.submit(made, pixels(5)).result()[0].shape == (5, 3)


def test_a_way_that_gives_something_else_is_not_taken(
    session: ort.InferenceSession, caplog: pytest.LogCaptureFixture
) -> None:
    def other(rows: NDArray[np.uint8]) -> tuple[NDArray, ...]:
        complement, twice = plain(session)(rows)
        return complement, twice + 3

    assert bind(session, SIZES, other, (CPU,)) is None
    assert "not run by buffers that stay: it differs from the plain way by 3" in caplog.text


@pytest.mark.parametrize("away", [1, 2])
def test_one_grey_level_is_forgiven_two_are_not(session: ort.InferenceSession, away: int) -> None:
    def other(rows: NDArray[np.uint8]) -> tuple[NDArray, ...]:
        complement, twice = plain(session)(rows)
        return complement.astype(np.int64) - away, twice

    assert (bind(session, SIZES, other, (CPU,)) is None) == (away > 1)


def test_a_nan_is_never_near(session: ort.InferenceSession) -> None:
    def other(rows: NDArray[np.uint8]) -> tuple[NDArray, ...]:
        complement, twice = plain(session)(rows)
        return complement, twice * np.float32(np.nan)

    assert bind(session, SIZES, other, (CPU,)) is None


def test_rows_of_unknown_shape_have_no_buffers(caplog: pytest.LogCaptureFixture) -> None:
    session = open_session(model(known=False), device="cpu")
    assert bind(session, SIZES, plain(session), (CPU,)) is None
    assert "not run by" in caplog.text


def test_what_this_machine_lacks_is_passed_for_the_next_way(
    session: ort.InferenceSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this machine may have what the test takes for missing")
    made = bind(session, SIZES, plain(session), (*ways(captured=True), CPU))
    assert made is not None
    assert made.way == CPU
    assert caplog.text.count("not run by") == 4


def test_ways_go_from_the_fastest_to_the_surest() -> None:
    words = [str(way) for way in ways(captured=True)]
    assert words == [
        "CUDA graphs, pinned memory",
        "CUDA graphs, buffers that stay",
        "pinned memory",
        "buffers that stay",
    ]
    assert [str(way) for way in ways(captured=False)] == words[2:]


def test_a_graph_bound_nowhere_says_nothing(session: ort.InferenceSession) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert OrtGraph("decoder", session, pool).way == ""

"""Sessions: a graph of three nodes, run on this machine's CPU."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference.batching import BatchLimits, MicroBatcher
from inference.call import Call
from inference.errors import InferenceFailed
from inference.sessions import CPU, CUDA, DeviceUnavailable, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inference.sessions import OrtGraph

WIDTH = 48


def model(*, keep_rows: bool = True) -> bytes:
    """From x [N, 48]: tanh(x · w) [N, 48] and the sum of each row [N, 1]."""
    weights = np.random.default_rng(7).normal(size=(WIDTH, WIDTH)).astype(np.float32)
    constants = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(_AXIS, "axis")]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Tanh", ["product"], ["y"]),
        helper.make_node("ReduceSum", ["x", "axis"], ["total"], keepdims=1),
    ]
    if not keep_rows:
        constants[1] = numpy_helper.from_array(np.array([0], np.int64), "axis")
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("total", TensorProto.FLOAT, None),
        ],
        constants,
    )
    opset = helper.make_opsetid("", 17)
    proto = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    content: bytes = proto.SerializeToString()
    return content


_AXIS = np.array([1], np.int64)


def rows(size: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(size, WIDTH)).astype(np.float32)


@pytest.fixture
def graph() -> Iterator[OrtGraph]:
    opened = open_session(model(), device="cpu", threads=2, name="encoder")
    yield opened
    opened.close()


async def test_it_gives_every_output_row_by_row(graph: OrtGraph) -> None:
    x = rows(5)

    y, total = await graph.run(x)

    assert (y.shape, total.shape) == ((5, WIDTH), (5, 1))
    np.testing.assert_allclose(total[:, 0], x.sum(axis=1), rtol=1e-4, atol=1e-4)
    assert graph.name == "encoder"
    assert graph.providers == (CPU,)


@pytest.mark.parametrize("size", [1, 3, 8])
async def test_the_bits_of_a_row_do_not_depend_on_its_batch(graph: OrtGraph, size: int) -> None:
    x = rows(32)
    whole = await graph.run(x)

    for first in range(0, 32 - size + 1, size):
        alone = await graph.run(x[first : first + size])
        for part, full in zip(alone, whole, strict=True):
            assert np.array_equal(part, full[first : first + size])


async def test_rows_batched_with_others_come_back_as_if_alone(graph: OrtGraph) -> None:
    batcher = MicroBatcher(graph, limits=BatchLimits(8, 64), slots=2)
    asked = [rows(size) for size in (1, 3, 20, 1, 8)]

    answers = await asyncio.gather(*(batcher.submit(x, Call()) for x in asked))
    await batcher.aclose()

    for x, (y, total) in zip(asked, answers, strict=True):
        alone, alone_total = await graph.run(x)
        assert np.array_equal(y, alone)
        assert np.array_equal(total, alone_total)


async def test_a_failed_run_keeps_the_inside_to_itself(graph: OrtGraph) -> None:
    with pytest.raises(InferenceFailed, match="the encoder's run failed") as failed:
        await graph.run(np.zeros((2, WIDTH + 1), np.float32))

    assert str(WIDTH + 1) not in failed.value.message
    assert "Got: 49" in str(failed.value.__cause__)


async def test_a_datatype_that_the_graph_does_not_take_fails(graph: OrtGraph) -> None:
    with pytest.raises(InferenceFailed):
        await graph.run(np.zeros((2, WIDTH), np.float64))


async def test_outputs_that_lost_rows_are_refused_with_both_numbers() -> None:
    graph = open_session(model(keep_rows=False), device="cpu", threads=1)

    with pytest.raises(InferenceFailed, match=r"answered 3 items .* shape \(1, 48\)"):
        await graph.run(rows(3))

    graph.close()


async def test_graphs_may_share_their_threads() -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="shared") as pool:
        graphs = [
            open_session(model(), device="cpu", threads=1, executor=pool, name=name)
            for name in ("encoder", "decoder")
        ]
        before = threading.active_count()
        await asyncio.gather(*(graph.run(rows(2)) for graph in graphs * 4))
        assert threading.active_count() == before + 1


async def test_no_more_runs_at_once_than_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = open_session(model(), device="cpu", threads=2)
    running, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2, timeout=10)
    original = graph._run

    def counted(x: np.ndarray) -> tuple[np.ndarray, ...]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()
        outputs = original(x)
        with lock:
            running -= 1
        both.wait()
        return outputs

    monkeypatch.setattr(graph, "_run", counted)
    await asyncio.gather(*(graph.run(rows(1)) for _ in range(6)))
    graph.close()

    assert most == 2


def test_cuda_without_the_gpu_build_is_refused_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU])
    with pytest.raises(DeviceUnavailable, match=r"no CUDAExecutionProvider .*latentserve\[gpu\]"):
        open_session(model(), device="cuda", threads=1)


class OnCpuAfterAll:
    """What the GPU build does on a host without a GPU: it opens the session on CPU."""

    def __init__(self, *_: object, enable_fallback: int = 1, **__: object) -> None:
        """Whatever was asked for."""
        if enable_fallback:
            print("Falling back to CPU")  # noqa: T201  (as ONNX Runtime does)
        self.session = _open_session(model(), providers=[CPU])

    def get_providers(self) -> list[str]:
        return [CPU]

    def get_inputs(self) -> list[ort.NodeArg]:
        inputs: list[ort.NodeArg] = self.session.get_inputs()
        return inputs


_open_session = ort.InferenceSession


def refuse(*_: object, **__: object) -> None:
    raise RuntimeError("libcudart.so is missing")


@pytest.fixture
def gpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(ort, "preload_dlls", lambda: print("no libcudart"))  # noqa: T201  (as the library does)
    monkeypatch.setattr(ort, "InferenceSession", OnCpuAfterAll)


@pytest.mark.usefixtures("gpu_build")
def test_cuda_that_is_listed_but_does_not_start_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(DeviceUnavailable, match="did not start: check that `nvidia-smi`"):
        open_session(model(), device="cuda", threads=1)

    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("gpu_build")
def test_auto_falls_back_to_the_cpu() -> None:
    assert open_session(model(), device="auto", threads=1).providers == (CPU,)


@pytest.mark.usefixtures("gpu_build")
def test_cuda_that_raises_is_logged_and_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ort, "InferenceSession", refuse)

    with pytest.raises(DeviceUnavailable, match="did not start"):
        open_session(model(), device="cuda", threads=1)

    assert "libcudart.so is missing" in caplog.text
    assert "no libcudart" in caplog.text


def test_opening_a_session_prints_nothing(tmp_path: Path) -> None:
    (tmp_path / "test.onnx").write_bytes(model())
    code = (
        "import pathlib, sys; from inference.sessions import open_session;"
        "open_session(pathlib.Path(sys.argv[1]).read_bytes(), device='cpu', threads=1)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "test.onnx"],
        capture_output=True,
        check=True,
        text=True,
    )

    assert (done.stdout, done.stderr) == ("", "")

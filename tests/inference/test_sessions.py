"""Sessions: a graph of three nodes, run on this machine's CPU."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference.batching import BatchLimits, MicroBatcher
from inference.bound import Way
from inference.call import Call
from inference.errors import InferenceFailed
from inference.options import CPU, CUDA
from inference.sessions import DeviceUnavailable, OrtGraph, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def opened(*, keep_rows: bool = True, threads: int = 2) -> OrtGraph:
    session = open_session(model(keep_rows=keep_rows), device="cpu")
    return OrtGraph("encoder", session, ThreadPoolExecutor(threads))


@pytest.fixture
def graph() -> Iterator[OrtGraph]:
    found = opened()
    yield found
    found.close()


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
    graph = opened(keep_rows=False)

    with pytest.raises(InferenceFailed, match=r"answered 3 items .* shape \(1, 48\)"):
        await graph.run(rows(3))

    graph.close()


async def test_graphs_may_share_their_threads() -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="shared") as pool:
        graphs = [
            OrtGraph(name, open_session(model(), device="cpu"), pool)
            for name in ("encoder", "decoder")
        ]
        before = threading.active_count()
        await asyncio.gather(*(graph.run(rows(2)) for graph in graphs * 4))
        assert threading.active_count() == before + 1


async def test_no_more_runs_at_once_than_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = opened()
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
        open_session(model(), device="cuda")


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
        open_session(model(), device="cuda")

    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("gpu_build")
def test_auto_falls_back_to_the_cpu() -> None:
    assert open_session(model(), device="auto").get_providers() == [CPU]


@pytest.mark.usefixtures("gpu_build")
def test_cuda_that_raises_is_logged_and_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ort, "InferenceSession", refuse)

    with pytest.raises(DeviceUnavailable, match="did not start"):
        open_session(model(), device="cuda")

    assert "libcudart.so is missing" in caplog.text
    assert "no libcudart" in caplog.text


class OnCuda(OnCpuAfterAll):
    """CUDA as the GPU build shows it, but for what it computes with.

    Attributes:
        asked: CUDA's options of each session that was opened or refused.
        captures: Whether graphs can be captured.
    """

    asked: ClassVar[list[dict[str, str]]] = []
    captures = True

    def __init__(self, *given: object, providers: list[Any], **options: object) -> None:
        """As asked for, or refused as ONNX Runtime refuses a graph that it cannot capture."""
        super().__init__(*given, **options)
        self.options = dict(providers[0][1])
        self.asked.append(self.options)
        if self.options["enable_cuda_graph"] == "1" and not self.captures:
            raise RuntimeError("This session cannot use the graph capture feature")

    def get_providers(self) -> list[str]:
        return [CUDA, CPU]

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        return {CUDA: self.options, CPU: {}}

    def run(self, *given: Any) -> list[np.ndarray]:
        found: list[np.ndarray] = self.session.run(*given)
        return found

    def get_outputs(self) -> list[ort.NodeArg]:
        outputs: list[ort.NodeArg] = self.session.get_outputs()
        return outputs


@pytest.fixture
def on_cuda(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[OnCuda]:
    request.getfixturevalue("gpu_build")
    monkeypatch.setattr(ort, "InferenceSession", OnCuda)
    monkeypatch.setattr(OnCuda, "asked", [])
    return OnCuda


def test_a_gpu_captures_graphs_and_turns_half_floats_round(on_cuda: type[OnCuda]) -> None:
    open_session(model(), device="cuda")
    open_session(model(), device="auto", half=True, cuda_graphs=False)

    whole, half = on_cuda.asked
    assert (whole["enable_cuda_graph"], whole["prefer_nhwc"], whole["use_tf32"]) == ("1", "0", "0")
    assert (half["enable_cuda_graph"], half["prefer_nhwc"]) == ("0", "1")


def test_what_cannot_be_captured_is_opened_without(
    on_cuda: type[OnCuda], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OnCuda, "captures", False)

    session = open_session(model(), device="cuda")

    assert [asked["enable_cuda_graph"] for asked in on_cuda.asked] == ["1", "0"]
    assert session.get_providers() == [CUDA, CPU]


@pytest.mark.usefixtures("on_cuda")
async def test_a_gpu_whose_buffers_cannot_be_had_runs_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    graph = OrtGraph("encoder", open_session(model(), device="cuda"), ThreadPoolExecutor(1))

    await graph.bind((1, 4))
    y, _ = await graph.run(rows(3))

    assert graph.on_gpu
    assert graph.way == ""
    assert y.shape == (3, WIDTH)
    for way in ("CUDA graphs, pinned memory", "buffers that stay"):
        assert f"not run by {way}: " in caplog.text
    graph.close()


async def test_bound_rows_are_the_same_and_larger_batches_run_without(graph: OrtGraph) -> None:
    plain = {size: await graph.run(rows(size)) for size in (1, 3, 4, 9)}

    await graph.bind((1, 2, 4), (Way("cpu"),))

    assert graph.way == "buffers that stay"
    for size, wanted in plain.items():
        for found, expected in zip(await graph.run(rows(size)), wanted, strict=True):
            assert np.array_equal(found, expected)
    with pytest.raises(InferenceFailed):
        await graph.run(np.zeros((2, WIDTH + 1), np.float32))
    graph.close()


def test_opening_a_session_prints_nothing(tmp_path: Path) -> None:
    (tmp_path / "test.onnx").write_bytes(model())
    code = (
        "import pathlib, sys; from inference.sessions import open_session;"
        "open_session(pathlib.Path(sys.argv[1]).read_bytes(), device='cpu')"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "test.onnx"],
        capture_output=True,
        check=True,
        text=True,
    )

    assert (done.stdout, done.stderr) == ("", "")

"""The GPU benchmark's whole path runs on a CPU and says that it did."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import gpu, raw_runs
from benchmarks.flops import Cost
from benchmarks.gpu_report import NO_GPU, GpuResult, RawRow, StageRow, to_markdown
from benchmarks.utilisation import parse, watched
from bundle import open_bundle
from inference.call import Call
from inference.engine import Engine, EngineOptions
from tests.support.tiny_bundle import tiny_bundle_content, write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path

COST = Cost(
    operations=2_000_000,
    weight_bytes=1_000_000,
    activation_bytes=100_000,
    input_bytes=256,
    output_bytes=768,
    uncounted=(),
)


def result(device: str, peak: float | None = None) -> GpuResult:
    return GpuResult(
        facts={"date": "some day"},
        device=device,
        costs={"decoder": COST},
        raw=[RawRow("decoder", "fp32", raw_runs.PAGEABLE, 8, 400.0, 0.0, "1 core")],
        stages=[StageRow("engine", "callers", 8, 300.0, ""), StageRow("server", "x", 9, 1.0, "")],
        missing=["something"],
        batches=[1, 100],
        peak=peak,
        bandwidth=None if peak is None else 1e9,
    )


def test_a_run_without_a_gpu_says_so_first() -> None:
    text = to_markdown(result("cpu"))
    assert text.startswith("# GPU benchmark without a GPU\n\n" + NO_GPU)
    assert "- not in this run: something" in text
    assert "No roofline" in text
    assert NO_GPU not in to_markdown(result("cuda"))


def test_the_roofline_and_the_shares() -> None:
    # 2 GFLOP/s and 1 GB/s balance at 2 operations a byte: one row has 1.8, a hundred have 18.
    text = to_markdown(result("cuda", peak=2e9))
    assert "| decoder | 1 | 909 | memory |" in text
    assert "| decoder | 100 | 1e+03 | arithmetic |" in text
    assert "| engine | callers | 8 | 300 | 0.75 |" in text
    assert "| server | x | 9 | 1 | – |" in text


def test_readings_of_nvidia_smi_are_averaged_and_may_be_missing() -> None:
    assert parse("10, 100.0\n30, 300.0\n2") == (14.0, 200.0)
    assert parse("50, [N/A]\n") == (50.0, None)
    assert parse("") == (None, None)


def test_without_a_gpu_cores_are_counted() -> None:
    with watched(gpu=False) as busy:
        sum(range(100_000))
    assert busy.gpu_percent is None
    assert 0 < busy.cores < 2
    assert str(busy).endswith("cores")


def test_all_ways_of_running_give_the_same() -> None:
    pytest.importorskip("torch", reason="torch is not installed, which holds the buffers")
    _, files = tiny_bundle_content()
    session = raw_runs.open_raw(files["decoder.onnx"], "cpu")
    rows = np.random.default_rng(0).standard_normal((3, 4), np.float32)
    wanted = raw_runs.pageable(session, rows).call()
    for way in raw_runs.bound(session, rows, "cpu"):
        assert (way.call() == wanted).all(), way.name
    exact = raw_runs.open_raw(files["decoder.onnx"], "cpu")
    half = raw_runs.open_raw(raw_runs.halved(files["decoder.onnx"]), "cpu")
    worst = np.abs(
        raw_runs.pageable(half, rows).call().astype(int)
        - raw_runs.pageable(exact, rows).call().astype(int)
    ).max()
    assert worst <= 1


def test_copies_follow_what_is_in_the_buffers() -> None:
    """A way with copies reads its rows anew at each call, as a server would."""
    pytest.importorskip("torch", reason="torch is not installed, which holds the buffers")
    _, files = tiny_bundle_content()
    session = raw_runs.open_raw(files["decoder.onnx"], "cpu")
    rows = np.zeros((2, 4), np.float32)
    _, copied = raw_runs.bound(session, rows, "cpu")
    before = copied.call().copy()
    rows += 1
    assert (copied.call() != before).any()
    assert (copied.call() == raw_runs.pageable(session, rows).call()).all()


async def test_the_engine_runs_a_halved_bundle(tmp_path: Path) -> None:
    bundle = open_bundle(write_tiny_bundle(tmp_path / "tiny"))
    half = gpu._halved(bundle)
    assert half.manifest.graphs.decoder.precision == "float16"
    assert half.decoder != bundle.decoder
    engine = Engine(half, EngineOptions(device="cpu"))
    await engine.warm_up()
    images = await engine.decode(np.zeros((2, 4), np.float32), Call())
    assert images.shape == (2, 16, 16, 3)
    await engine.aclose()


def test_cuda_graphs_without_a_gpu_are_refused() -> None:
    _, files = tiny_bundle_content()
    with pytest.raises(raw_runs.Unavailable, match="need a GPU"):
        raw_runs.open_raw(files["decoder.onnx"], "cpu", cuda_graphs=True)


def test_the_whole_path_runs_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    words = ["--bundle", str(bundle), "--device", "cpu", "--quick", "--no-server"]
    more = ["--seconds", "0.01", "--batches", "1", "4", "--results", str(tmp_path / "results")]
    monkeypatch.setattr(sys, "argv", ["gpu", *words, *more])
    assert gpu.main() == 0
    shown = capsys.readouterr().out
    (file,) = (tmp_path / "results").iterdir()
    assert file.name.startswith("no-gpu-")
    text = file.read_text("utf-8")
    assert text in shown
    assert NO_GPU in text
    assert "the server was left out" in text
    assert "on a CPU it calls run()" in text
    for row in (
        "| encoder | fp32 | run()",
        "| decoder | fp16 | run()",
        "| engine, fp32, run() | 16 callers",
    ):
        assert text.count(row) == 2, row

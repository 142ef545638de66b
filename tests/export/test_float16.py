"""A run as float16 bundle: half the bytes, within two grey levels, and what refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from bundle import open_bundle
from cli.main import main
from export import export_run, parity
from export.exporter import ExportOptions
from export.float16 import float16_graph, is_float16
from export.graph_model import GraphModel
from export.graphs import decoder_graph, encoder_graph
from tests.support.pictures import finished_run, pictures
from training.models import build_network
from training.presets import PRESETS

if TYPE_CHECKING:
    from pathlib import Path

    from bundle import Bundle

HALF = ExportOptions(evaluate_count=0, precision="float16")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on 600 packed pictures."""
    return finished_run(tmp_path_factory.mktemp("float16"), pictures(600))


def exported(run: Path, name: str, options: ExportOptions) -> Bundle:
    return open_bundle(export_run(run, run.parent / name, None, options, lambda _: None))


@pytest.fixture(scope="module")
def half(run: Path) -> Bundle:
    return exported(run, "half", HALF)


@pytest.fixture(scope="module")
def whole(run: Path) -> Bundle:
    return exported(run, "whole", ExportOptions(evaluate_count=0))


def test_it_is_half_as_large_and_says_so(half: Bundle, whole: Bundle) -> None:
    assert len(half.decoder) < 0.65 * len(whole.decoder)
    graphs, before = half.manifest.graphs, whole.manifest.graphs
    assert (graphs.encoder.precision, graphs.decoder.precision) == ("float16", "float16")
    assert (before.encoder.precision, before.decoder.precision) == ("float32", "float32")
    assert graphs.encoder.inputs == before.encoder.inputs
    assert graphs.decoder.outputs == before.decoder.outputs
    assert "encoder.onnx compute in 16-bit floats" in (half.path / "card.md").read_text().replace(
        "decoder.onnx and ", ""
    )


def test_its_images_are_within_two_grey_levels(half: Bundle, whole: Bundle) -> None:
    model, exact = GraphModel(half), GraphModel(whole)
    images = pictures(16, seed=9).images
    means, _ = exact.encode(images)
    found, _ = model.encode(images)
    np.testing.assert_allclose(found, means, atol=0.01 * float(np.abs(means).max()))
    away = model.decode(means).astype(int) - exact.decode(means).astype(int)
    assert np.abs(away).max() <= 2
    assert max(row.decoder_grey_levels for row in half.manifest.parity.worst) <= 2
    assert half.manifest.parity.tolerance_grey_levels == 2


@pytest.mark.parametrize("name", ["faces-64", "foster-faces-32", "liu-mnist-ae"])
def test_graphs_of_every_kind_of_network_stay_valid(name: str) -> None:
    preset = PRESETS[name]
    network = build_network(preset).eval()
    for graph in (encoder_graph(network, preset.image), decoder_graph(network, preset.latent)):
        before = graph.SerializeToString()
        reduced = float16_graph(graph)
        onnx.checker.check_model(reduced, full_check=True)
        assert is_float16(reduced)
        assert not is_float16(graph)
        assert graph.SerializeToString() == before


def test_a_model_that_float16_harms_is_refused(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "models" / "tiny"
    words = ["export", str(run), "--out", str(out), "--evaluate-count", "0"]
    changed = parity.LIMITS["float16"].model_copy(update={"tolerance_relative": 1e-9})
    monkeypatch.setitem(parity.LIMITS, "float16", changed)
    assert main([*words, "--precision", "float16"]) == 1
    assert "this model needs float32: export it without float16" in capsys.readouterr().err
    assert not out.exists()

"""A run as int8 bundle: what it says of itself, that it is near the float one, and what refuses."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch

from bundle import open_bundle
from bundle.store import MANIFEST
from cli.main import main
from export import export_run, int8, parity
from export.exporter import ExportOptions
from export.graph_model import GraphModel
from export.graphs import OPSET, decoder_graph, encoder_graph
from export.int8 import Int8Error, calibration_images, int8_graphs, is_int8
from export.served import served_network
from inference.call import Call
from inference.engine import Engine
from inference.options import EngineOptions
from tests.support.pictures import TINY, finished_run, pictures
from training.data import Split, load
from training.models import Network, build_network
from training.presets import PRESETS
from training.run import load_network

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bundle import Bundle
    from training.presets import Preset

UNMEASURED = ExportOptions(evaluate_count=0, precision="int8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on 1,200 packed pictures."""
    root = tmp_path_factory.mktemp("int8")
    return finished_run(root, pictures(1200))


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the export of `exported` says."""
    return []


@pytest.fixture(scope="module")
def exported(run: Path, said: list[str]) -> Bundle:
    """The int8 bundle, evaluated."""
    options = ExportOptions(judge_steps=30, evaluate_count=40, quick=True, precision="int8")
    return open_bundle(export_run(run, run.parent / "models" / "small", None, options, said.append))


@pytest.fixture(scope="module")
def floats(run: Path) -> Bundle:
    """The float bundle of the same run."""
    options = ExportOptions(evaluate_count=0)
    return open_bundle(
        export_run(run, run.parent / "models" / "float", None, options, lambda _: None)
    )


@pytest.fixture(scope="module")
def untrained() -> tuple[Network, onnx.ModelProto, onnx.ModelProto]:
    """A network, its encoder and decoder in floats."""
    return _untrained(TINY)


def _untrained(preset: Preset) -> tuple[Network, onnx.ModelProto, onnx.ModelProto]:
    torch.manual_seed(0)
    network = build_network(preset).eval()
    return network, encoder_graph(network, preset.image), decoder_graph(network, preset.latent)


def _same_rows(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    """Floats before a quantiser may be rounded by the batch, and its step then falls elsewhere."""
    off = np.abs(found.astype(int) - expected)
    assert off.max() <= 8
    assert (off > 1).mean() < 0.01


def test_latents_and_images_are_near_those_of_the_float_bundle(
    exported: Bundle, floats: Bundle
) -> None:
    images = pictures(40, seed=8).images
    ours, theirs = GraphModel(exported), GraphModel(floats)
    found, expected = ours.encode(images), theirs.encode(images)
    for values, wanted in zip(found, expected, strict=True):
        assert values is not None
        assert wanted is not None
        assert 0 < np.abs(values - wanted).max() <= 0.1 * np.abs(wanted).max()
    error = ours.decode(expected[0]).astype(float) - theirs.decode(expected[0])
    assert 0 < np.square(error).mean() < 255**2 / 10**3.0


def test_convolutions_alone_are_quantised_and_the_borders_stay(
    exported: Bundle, floats: Bundle
) -> None:
    for file, float_file in (
        (exported.encoder, floats.encoder),
        (exported.decoder, floats.decoder),
    ):
        graph, before = onnx.load_from_string(file), onnx.load_from_string(float_file)
        assert [entry.version for entry in graph.opset_import if not entry.domain] == [OPSET]
        assert not graph.metadata_props
        maker = {output: node.op_type for node in graph.graph.node for output in node.output}
        sources = {
            operator: {
                maker.get(name, "")
                for node in graph.graph.node
                for name in node.input[:1]
                if node.op_type == operator
            }
            for operator in ("Conv", "ConvTranspose", "Gemm")
        }
        assert sources["Conv"] == {"DequantizeLinear"}
        assert "DequantizeLinear" not in sources["ConvTranspose"] | sources["Gemm"]
        for side in ("input", "output"):
            assert list(getattr(graph.graph, side)) == list(getattr(before.graph, side))


def test_weights_have_seven_bits_and_a_scale_for_each_channel(exported: Bundle) -> None:
    graph = onnx.load_from_string(exported.encoder).graph
    weights = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    kernels = [onnx.numpy_helper.to_array(tensor) for tensor in weights if len(tensor.dims) == 4]
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(kernels) == len(convolutions) > 0
    scales = {
        tensor.name: tensor.dims[0]
        for tensor in graph.initializer
        if tensor.name.endswith("weight_scale")
    }
    assert sorted(scales.values()) == sorted(len(kernel) for kernel in kernels)
    for kernel in kernels:
        assert 60 < np.abs(kernel.astype(int)).max() <= 64


def test_the_manifest_says_int8_and_how_far_that_is_from_the_network(
    run: Path, exported: Bundle, floats: Bundle, said: list[str]
) -> None:
    manifest = exported.manifest
    assert (manifest.graphs.encoder.precision, manifest.graphs.decoder.precision) == (
        "int8",
        "int8",
    )
    assert floats.manifest.graphs.encoder.precision == "float32"
    assert floats.manifest.parity.tolerance_psnr is None
    assert manifest.parity.tolerance_psnr == 30.0
    assert [row.batch for row in manifest.parity.worst] == [1, 3, 8, 32]
    network = load_network(run)[1].network
    images = load(run.parent / "data", TINY.image).part(Split.TEST).images[:32]
    expected = _measured_anew(network, exported, images)
    assert manifest.parity.worst[-1].model_dump() == pytest.approx(expected, rel=1e-3)
    worst = manifest.parity.worst[-1].decoder_psnr
    assert worst is not None
    assert any(line.startswith("int8: ") and f"{worst:.1f} dB" in line for line in said)


def _measured_anew(network: Network, bundle: Bundle, images: NDArray[np.uint8]) -> dict[str, float]:
    with torch.no_grad():
        latent = network.encoder(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
        unit = network.decoder(latent.mean).permute(0, 2, 3, 1).numpy()
    model, means = GraphModel(bundle), latent.mean.numpy()
    pairs = zip(model.encode(images), (means, latent.logvar.numpy()), strict=True)
    off = model.decode(means) - np.rint(unit * 255.0)
    errors = np.square(off).mean(axis=(1, 2, 3), dtype=np.float64)
    return {
        "batch": len(images),
        "encoder_relative": max(np.abs(a - b).max() / np.abs(b).max() for a, b in pairs),
        "decoder_relative": np.abs(model.decode_unit(means) - unit).max() / unit.max(),
        "decoder_grey_levels": np.abs(off).max(),
        "decoder_psnr": 10 * np.log10(255**2 / errors.max()),
    }


def test_its_figures_are_those_of_int8_and_the_run_keeps_its_own(
    run: Path, exported: Bundle, floats: Bundle
) -> None:
    ours, theirs = exported.manifest.training.metrics, floats.manifest.training.metrics
    assert ours["psnr"] != theirs["psnr"]
    assert ours["psnr"] == pytest.approx(theirs["psnr"], abs=1.0)
    assert exported.manifest.evaluation["psnr"] == pytest.approx(ours["psnr"], abs=2.0)
    assert not np.array_equal(exported.directions, floats.directions)
    assert (exported.path / "evaluation.json").exists()
    assert not (run / "evaluation.json").exists()
    card = (exported.path / "card.md").read_text()
    assert "Convolutions of decoder.onnx and encoder.onnx compute in 8-bit integers" in card
    (row,) = (line for line in card.splitlines() if "difference of the graphs" in line)
    assert f"{min(row.decoder_psnr or 0 for row in exported.manifest.parity.worst):.1f} dB" in row
    assert "8-bit" not in (floats.path / "card.md").read_text()


async def test_the_engine_serves_it(exported: Bundle) -> None:
    images = pictures(3, seed=2).images
    engine = Engine(exported, EngineOptions(device="cpu", threads=1, max_batch_size=8))
    await engine.warm_up()
    try:
        encoded = await engine.encode(images, Call())
        decoded = await engine.decode(encoded.mean, Call())
    finally:
        await engine.aclose()
    assert (encoded.mean.dtype, decoded.dtype) == (np.float32, np.uint8)
    alone = GraphModel(exported)
    np.testing.assert_allclose(encoded.mean, alone.encode(images)[0], atol=1e-5)
    _same_rows(decoded, alone.decode(encoded.mean))


@pytest.mark.parametrize("batch", [1, 5])
def test_rows_do_not_depend_on_their_batch(exported: Bundle, batch: int) -> None:
    images = pictures(16, seed=3).images
    whole, parts = GraphModel(exported, batch=16), GraphModel(exported, batch=batch)
    means, again = whole.encode(images)[0], parts.encode(images)[0]
    np.testing.assert_allclose(again, means, atol=1e-5)
    _same_rows(parts.decode(means), whole.decode(means))


def test_quantising_again_gives_the_same_bytes(
    untrained: tuple[Network, onnx.ModelProto, onnx.ModelProto],
) -> None:
    _, encoder, decoder = untrained
    before = encoder.SerializeToString(), decoder.SerializeToString()
    first, second = (int8_graphs(encoder, decoder, pictures(64)) for _ in range(2))
    assert first.encoder.SerializeToString() == second.encoder.SerializeToString()
    assert first.decoder.SerializeToString() == second.decoder.SerializeToString()
    assert (encoder.SerializeToString(), decoder.SerializeToString()) == before


@pytest.mark.parametrize("count", [3, 256, 300, 1000])
def test_calibration_takes_few_images_from_all_over_the_set(count: int) -> None:
    images = np.zeros((count, 16, 16, 1), np.uint8)
    images[:, 0, :2, 0] = np.stack([np.arange(count) // 256, np.arange(count) % 256], axis=1)
    chosen = calibration_images(replace(pictures(count), images=images))
    places = chosen[:, 0, 0, 0].astype(int) * 256 + chosen[:, 0, 1, 0]
    assert len(places) == min(count, 256)
    assert places[0] == 0
    steps = np.diff([*places, count])
    assert 1 <= steps.min() <= steps.max() <= -(-count // 256)


def test_calibration_looks_at_training_images_alone(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[NDArray[np.uint8]] = []

    def noted(training: object) -> NDArray[np.uint8]:
        looked_at.append(calibration_images(training))  # type: ignore[arg-type]
        return looked_at[-1]

    monkeypatch.setattr(int8, "calibration_images", noted)
    export_run(run, tmp_path / "model", None, UNMEASURED, lambda _: None)
    data = load(run.parent / "data", TINY.image)
    learnt = {image.tobytes() for image in data.part(Split.TRAIN).images[:]}
    assert len(looked_at) == 1
    assert {image.tobytes() for image in looked_at[0]} <= learnt


def _hold_to(monkeypatch: pytest.MonkeyPatch, limit: dict[str, float]) -> None:
    changed = parity.LIMITS["int8"].model_copy(update=limit)
    monkeypatch.setitem(parity.LIMITS, "int8", changed)


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (
            {"tolerance_psnr": 90.0},
            r"images of the decoder are \d\d\.\d dB .*at least 90 dB wanted",
        ),
        (
            {"tolerance_relative": 1e-5},
            r"differs from the network by \S+ relative \(limit 1e-05\)",
        ),
    ],
)
def test_a_model_that_int8_harms_is_refused_with_value_limit_and_cure(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: dict[str, float],
    message: str,
) -> None:
    _hold_to(monkeypatch, limit)
    with pytest.raises(parity.ParityError, match=f"{message}.*export it without int8"):
        export_run(run, tmp_path / "model", None, UNMEASURED, lambda _: None)
    assert not (tmp_path / "model").exists()


def test_a_graph_that_is_far_from_the_network_is_refused(
    untrained: tuple[Network, onnx.ModelProto, onnx.ModelProto],
) -> None:
    network, encoder, decoder = untrained
    network = copy.deepcopy(network)
    graphs = int8_graphs(encoder, decoder, pictures(64))
    images = pictures(32, seed=5).images
    assert parity.check_near(network, *graphs, images, "int8").tolerance_psnr == 30.0
    with torch.no_grad():
        for weights in network.decoder.parameters():
            weights.mul_(3.0)
    with pytest.raises(parity.ParityError, match="dB from the network's"):
        parity.check_near(network, *graphs, images, "int8")


def test_a_graph_without_convolutions_stays_in_floats() -> None:
    _, encoder, decoder = _untrained(PRESETS["foster-faces-32"])
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    graphs = int8_graphs(encoder, decoder, replace(pictures(8), images=images))
    assert (is_int8(graphs.encoder), is_int8(graphs.decoder)) == (True, False)
    assert graphs.decoder is decoder


def test_a_model_without_any_convolution_is_refused() -> None:
    _, encoder, decoder = _untrained(PRESETS["liu-mnist-ae"])
    with pytest.raises(Int8Error, match=r"neither graph has a Conv, .*without int8"):
        int8_graphs(encoder, decoder, pictures(8, size=28))


def test_the_command_writes_it_or_says_why_not(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "models" / "tiny-int8"
    words = ["export", str(run), "--out", str(out), "--evaluate-count", "0", "--int8"]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == str(out / "1")
    assert "making the graphs int8" in shown.err
    assert "WARNING" not in shown.err
    assert open_bundle(out).manifest.graphs.encoder.precision == "int8"
    _hold_to(monkeypatch, {"tolerance_psnr": 90.0})
    assert main(words) == 1
    assert "export it without int8" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["1"]


def test_manifests_of_before_open_as_floats(floats: Bundle) -> None:
    old = json.loads((floats.path / MANIFEST).read_text())
    for graph in old["graphs"].values():
        del graph["precision"]
    del old["parity"]["tolerance_psnr"]
    for row in old["parity"]["worst"]:
        del row["decoder_psnr"]
    read = type(floats.manifest).model_validate(old)
    assert read.graphs == floats.manifest.graphs
    assert {row.decoder_psnr for row in read.parity.worst} == {None}


def test_graphs_as_a_network_answer_as_the_network(run: Path, floats: Bundle) -> None:
    network = load_network(run)[1].network
    served = served_network(GraphModel(floats), variational=True)
    unit = torch.from_numpy(pictures(5, seed=4).images).permute(0, 3, 1, 2).float() * (1 / 255)
    with torch.no_grad():
        for found, expected in zip(served.encoder(unit), network.encoder(unit), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
        mean = network.encoder(unit).mean
        torch.testing.assert_close(
            served.decoder(mean), network.decoder(mean), rtol=1e-3, atol=1e-4
        )
    assert served.variational

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from PIL import Image

from bundle import BundleError, open_bundle, store
from bundle.store import MANIFEST
from export import ExportError, export_run
from export.exporter import ExportOptions
from export.figures import encoder_means
from tests.support.pictures import ATTRIBUTES, TINY, finished_run, pack, pictures, without_labels
from training.data import Split, load
from training.directions import ridge_directions
from training.evaluation.evaluation import rows_of
from training.evaluation.result import Evaluation
from training.presets import PRESETS
from training.run import load_network

if TYPE_CHECKING:
    from pathlib import Path


MEASURED = ExportOptions(judge_steps=60, evaluate_count=50, quick=True)
UNMEASURED = ExportOptions(evaluate_count=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on 1,200 packed pictures."""
    root = tmp_path_factory.mktemp("export")
    return finished_run(root, pictures(1200), TINY.model_copy(update={"epochs": 4}))


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    """The model folder with version 1 of the run."""
    root = run.parent / "models" / "tiny"
    said: list[str] = []
    assert export_run(run, root, None, MEASURED, said.append) == root / "1"
    assert said[0].startswith("reading ")
    assert any(line.startswith("directions: ") for line in said)
    return root


def test_the_bundle_opens_and_says_what_it_is(exported: Path) -> None:
    manifest = open_bundle(exported).manifest
    assert (manifest.name, manifest.version) == ("tiny", "1")
    assert manifest.licence == "CC0-1.0"
    assert manifest.training.preset == "tiny"
    assert [attribute.name for attribute in manifest.attributes] == list(ATTRIBUTES)
    assert [row.batch for row in manifest.parity.worst] == [1, 3, 8, 32]
    assert manifest.training.metrics["psnr"] > 12
    assert manifest.variational
    for attribute in manifest.attributes:
        assert attribute.quality["judged"] > 0.9
        assert attribute.positives + attribute.negatives == manifest.training.images
        assert attribute.direction in {"mean", "ridge", "lda", "conditional"}


def test_the_evaluation_is_in_the_bundle_and_beside_the_run(run: Path, exported: Path) -> None:
    manifest = open_bundle(exported).manifest
    written = (exported / "1" / "evaluation.json").read_bytes()
    assert (run / "evaluation.json").read_bytes() == written
    evaluation = Evaluation.model_validate_json(written)
    assert (evaluation.model, evaluation.test_images) == ("tiny 1", 50)
    assert evaluation.summary() == manifest.evaluation
    for attribute, shift in zip(manifest.attributes, evaluation.shifts, strict=True):
        assert attribute.quality == shift.figures()
        assert attribute.useful_range == shift.useful_range


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_graphs_compute_what_was_trained(run: Path, exported: Path, batch: int) -> None:
    bundle = open_bundle(exported)
    network = load_network(run)[1].network
    pixels = pictures(batch, seed=8).images
    encode, decode = (
        ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
        for graph in (bundle.encoder, bundle.decoder)
    )
    mean, logvar = encode.run(None, {"image": pixels})
    with torch.no_grad():
        unit = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        latent = network.encoder(unit)
        image = network.decoder(latent.mean)
    np.testing.assert_allclose(mean, latent.mean.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(logvar, latent.logvar.numpy(), rtol=1e-3, atol=1e-4)
    (decoded,) = decode.run(None, {"latent": mean})
    assert decoded.dtype == np.uint8
    expected = image.permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(decoded.astype(np.float32) - expected).max() <= 1.0


def test_the_graphs_hold_no_normalisation_and_no_trace_of_the_exporting_machine(
    exported: Path,
) -> None:
    bundle = open_bundle(exported)
    operators = set()
    for graph in (bundle.encoder, bundle.decoder):
        model = onnx.load_from_string(graph)
        operators |= {node.op_type for node in model.graph.node}
        assert b"site-packages" not in graph
        assert b".py" not in graph
    assert not operators & {"BatchNormalization", "Einsum", "Resize"}
    assert "ConvTranspose" in operators


def test_directions_and_prior_are_those_of_the_latents(run: Path, exported: Path) -> None:
    bundle = open_bundle(exported)
    network = load_network(run)[1].network
    data = pictures(1200)
    with torch.no_grad():
        unit = torch.from_numpy(data.images).permute(0, 3, 1, 2).float() / 255
        means = network.encoder(unit).mean.numpy()
    bar = data.labels[:, 0]
    moved = means[bar].mean(0) - means[~bar].mean(0)
    cosine = moved @ bundle.directions[0] / np.linalg.norm(moved)
    assert cosine / np.linalg.norm(bundle.directions[0]) > 0.9
    prior = (bundle.prior.weights[:, None] * bundle.prior.means).sum(0)
    np.testing.assert_allclose(prior, means.mean(0), atol=0.2 * means.std())


def test_a_run_without_labels_becomes_a_bundle_without_attributes(tmp_path: Path) -> None:
    preset = TINY.model_copy(update={"epochs": 1})
    run = finished_run(tmp_path, without_labels(pictures(900)), preset)
    written = export_run(run, tmp_path / "plain", None, MEASURED, lambda _: None)
    bundle = open_bundle(written)
    assert bundle.manifest.attributes == ()
    assert bundle.directions.shape == (0, 4)
    assert "fd_random_fitted" in bundle.manifest.evaluation
    card = (written / "card.md").read_text()
    assert "## Attributes" not in card
    assert "no judge can be taught" in card


def test_a_plain_autoencoder_has_no_rate_and_no_prior_but_the_fitted_one(tmp_path: Path) -> None:
    preset = PRESETS["liu-mnist-ae"].model_copy(update={"epochs": 2, "learns_from": "train"})
    run = finished_run(tmp_path, pictures(900, size=28), preset)
    written = export_run(run, tmp_path / "plain", None, MEASURED, lambda _: None)
    bundle = open_bundle(written)
    assert not bundle.manifest.variational
    assert "kl" not in bundle.manifest.training.metrics
    assert "kl" not in bundle.manifest.evaluation
    assert bundle.prior.dimension == 20
    session = ort.InferenceSession(bundle.encoder, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["mean"]
    card = (written / "card.md").read_text()
    assert card.startswith("# plain, version 1\n\nA plain autoencoder")
    assert "no prior N(0, I)" in card
    assert "KL" not in card.partition("## Attributes")[0]


def test_without_an_evaluation_all_directions_are_ridge_and_nothing_is_claimed(
    run: Path, tmp_path: Path
) -> None:
    written = export_run(run, tmp_path / "model", None, UNMEASURED, lambda _: None)
    bundle = open_bundle(written)
    for attribute in bundle.manifest.attributes:
        assert (attribute.direction, attribute.quality) == ("ridge", {})
        assert attribute.useful_range == (-1.0, 1.0)
    assert bundle.manifest.evaluation == {}
    assert not (written / "evaluation.json").exists()
    network = load_network(run)[1].network
    training = load(run.parent / "data", TINY.image).part(Split.TRAIN)
    expected = ridge_directions(training.labels, encoder_means(network, training, 10_000))
    np.testing.assert_allclose(bundle.directions, expected, atol=1e-5)
    assert "Nothing was measured of bar" in (written / "card.md").read_text()


def test_the_picture_and_the_card_are_there_to_be_looked_at(exported: Path) -> None:
    for name, least in (("samples.png", 200), ("strip.png", 150)):
        with Image.open(io.BytesIO((exported / "1" / name).read_bytes())) as picture:
            assert picture.width > least
    card = (exported / "1" / "card.md").read_text()
    assert "| bar |" in card
    assert "CC0-1.0" in card


@pytest.mark.parametrize(
    "name",
    [
        "encoder.onnx",
        "decoder.onnx",
        "directions.npz",
        "evaluation.json",
        "card.md",
        "samples.png",
        "strip.png",
    ],
)
def test_one_changed_byte_is_found_and_its_file_named(exported: Path, name: str) -> None:
    file = exported / "1" / name
    before = file.read_bytes()
    middle = len(before) // 2
    try:
        file.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
        with pytest.raises(BundleError, match=name):
            open_bundle(exported)
    finally:
        file.write_bytes(before)


def test_the_next_export_takes_the_next_version(run: Path, exported: Path) -> None:
    assert export_run(run, exported, None, UNMEASURED, lambda _: None) == exported / "2"
    assert not [path for path in exported.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ExportOptions(version="1"), "1 exists already; a version is never overwritten"),
        (ExportOptions(version="1.0-rc"), "version"),
        (ExportOptions(evaluate_count=3), "greater than or equal to 8"),
    ],
)
def test_what_cannot_be_written_is_known_at_once(
    run: Path, exported: Path, options: ExportOptions, message: str
) -> None:
    said: list[str] = []
    with pytest.raises(ValueError, match=message):
        export_run(run, exported, None, options, said.append)
    assert said == []


def test_other_data_are_refused(run: Path, tmp_path: Path) -> None:
    pack(tmp_path / "other", replace(pictures(200), attributes=("bar", "round")))
    with pytest.raises(ExportError, match=r"attributes \('bar', 'round'\).*--data"):
        export_run(run, tmp_path / "model", tmp_path / "other", UNMEASURED, lambda _: None)
    assert not (tmp_path / "model").exists()


def test_too_few_test_images_are_said_and_nothing_is_measured(run: Path, tmp_path: Path) -> None:
    pack(tmp_path / "few", pictures(100))
    said: list[str] = []
    written = export_run(run, tmp_path / "model", tmp_path / "few", ExportOptions(), said.append)
    assert any("nothing is measured" in line and "larger set" in line for line in said)
    assert open_bundle(written).manifest.evaluation == {}


def test_no_test_image_at_all_is_refused(run: Path, tmp_path: Path) -> None:
    few = pictures(100)
    pack(tmp_path / "none", rows_of(few, np.flatnonzero(few.splits != Split.TEST)))
    with pytest.raises(ExportError, match=r"none of the \d\d images"):
        export_run(run, tmp_path / "model", tmp_path / "none", UNMEASURED, lambda _: None)


def test_a_bundle_is_never_half_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(store, "open_bundle", broken)
    with pytest.raises(OSError, match="no space left"):
        export_run(run, tmp_path / "model", None, UNMEASURED, lambda _: None)
    assert not list((tmp_path / "model").rglob(MANIFEST))

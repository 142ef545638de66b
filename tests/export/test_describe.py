"""What a bundle says of itself, out of facts that are known exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydantic import ValidationError

from bundle.manifest import Parity, Training
from bundle.store import sha256
from export.choose import Choice
from export.describe import Facts, Identity, attribute_specs, epochs, manifest
from tests.support.pictures import ATTRIBUTES, TINY
from training.run import RunConfig

if TYPE_CHECKING:
    from pathlib import Path

LABELS = np.array([[1, 0], [1, 1], [0, 1], [1, 0]], np.bool_)
CHOICE = Choice(np.eye(2, 4, dtype=np.float32), ("ridge", "mean"), ({}, {}), (1.0, 1.25))
FILES = {name: name.encode() for name in ("encoder.onnx", "decoder.onnx", "directions.npz")}


def config(*, init: Path | None = None, epochs: int = 2, source: str = "") -> RunConfig:
    """Of a run with the tiny preset."""
    return RunConfig(
        preset=TINY.model_copy(update={"epochs": epochs, "source": source}),
        seed=4,
        dataset="pictures",
        licence="CC0-1.0",
        attributes=ATTRIBUTES,
        images=4,
        limit=None,
        data="data",
        init=None if init is None else str(init),
        torch_version="2",
    )


def facts(*, variational: bool = True, source: str = "") -> Facts:
    """Of a bundle named tiny."""
    return Facts(
        name="tiny",
        version="3",
        licence="CC0-1.0",
        config=config(source=source),
        variational=variational,
        attributes=attribute_specs(ATTRIBUTES, LABELS, CHOICE, ()),
        parity=Parity(tolerance_relative=1e-4, tolerance_grey_levels=1, worst=()),
        training=Training(preset="tiny", dataset="pictures", images=4, epochs=2, metrics={}),
        evaluation={"psnr": 20.5},
    )


def test_attributes_say_how_their_rows_were_found_and_count_images() -> None:
    bar, bright = attribute_specs(ATTRIBUTES, LABELS, CHOICE, ())
    assert (bar.name, bar.row, bar.positives, bar.negatives) == ("bar", 0, 3, 1)
    assert (bright.row, bright.positives, bright.negatives) == (1, 2, 2)
    assert (bar.direction, bright.direction) == ("ridge", "mean")
    assert (bar.scale, bright.scale) == (1.0, 1.25)
    assert "held fixed" in bar.unit
    assert "held fixed" not in bright.unit


def test_the_manifest_hashes_every_file_and_lists_documents() -> None:
    written = manifest(facts(), {**FILES, "card.md": b"#", "evaluation.json": b"{}"})
    assert (written.name, written.version) == ("tiny", "3")
    assert written.evaluation == {"psnr": 20.5}
    assert {document.file for document in written.documents} == {"card.md", "evaluation.json"}
    assert written.graphs.decoder.sha256 == sha256(FILES["decoder.onnx"])
    assert written.directions.sha256 == sha256(FILES["directions.npz"])


@pytest.mark.parametrize("variational", [True, False])
def test_a_plain_autoencoder_has_no_logvar(variational: bool) -> None:
    written = manifest(facts(variational=variational), FILES)
    assert written.variational is variational
    assert len(written.graphs.encoder.outputs) == (2 if variational else 1)


def test_provenance_names_the_book() -> None:
    told = manifest(facts(source="Foster, 3.2"), FILES).provenance
    assert "preset tiny (Foster, 3.2), seed 4" in told
    assert "earlier run" not in told


def test_epochs_of_earlier_runs_count_as_far_as_they_are_there(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "run.json").write_text(config(init=tmp_path / "gone", epochs=5).model_dump_json())
    assert epochs(config(init=first)) == 7
    assert epochs(config()) == 2


@pytest.mark.parametrize(
    ("name", "version"), [("Faces 64", "1"), ("tiny", "1.0-rc"), ("a", "../x")]
)
def test_names_that_no_bundle_can_have_are_refused(name: str, version: str) -> None:
    with pytest.raises(ValidationError):
        Identity(name=name, version=version)

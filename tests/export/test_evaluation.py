"""Bundles measured on a folder of images, alone and side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from export.evaluation import evaluate_bundles
from tests.support.banded_set import banded_set
from tests.support.pictures import pack, without_labels
from tests.support.tiny_bundle import write_tiny_bundle
from training.data.progress import silent
from training.evaluation.evaluation import EvaluationError
from training.evaluation.options import EvaluationOptions

if TYPE_CHECKING:
    from pathlib import Path

    from training.data.progress import Progress
    from training.evaluation.result import Evaluation

SMALL = EvaluationOptions(
    count=20,
    seeds=1,
    judge_steps=10,
    training_images=50,
    calibration_images=10,
    tight_images=2,
    tight_draws=4,
    shift_images=8,
    grid_images=4,
    draws=10,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bands")
    pack(folder, banded_set(400, side=32))
    return folder


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, data: Path) -> tuple[Evaluation, ...]:
    root = tmp_path_factory.mktemp("models")
    large = write_tiny_bundle(root / "large", height=32, width=32, name="large")
    small = write_tiny_bundle(root / "small", name="small", version="3", variational=False)
    return evaluate_bundles([large, small], data, options=SMALL)


def test_each_sees_its_size_and_both_are_judged_at_the_smaller(
    both: tuple[Evaluation, ...],
) -> None:
    assert [found.model for found in both] == ["large 1", "small 3"]
    assert [found.image for found in both] == [(32, 32, 3), (16, 16, 3)]
    assert [found.judged for found in both] == [(16, 16), (16, 16)]
    assert both[0].reconstruction.judged_psnr is not None
    assert both[1].reconstruction.judged_psnr is None


def test_both_are_judged_alike(both: tuple[Evaluation, ...]) -> None:
    # The two bundles do the same to the same images, so the same judges say the same.
    for one, other in zip(both[0].shifts, both[1].shifts, strict=True):
        assert one.name == other.name
        assert one.judged == pytest.approx(other.judged, abs=0.1)
        assert one.flip == pytest.approx(other.flip, abs=0.3)


def test_a_plain_autoencoder_beside_a_vae_leaves_its_likelihood_out(
    both: tuple[Evaluation, ...],
) -> None:
    assert both[0].likelihood is not None
    assert both[1].likelihood is None
    assert both[1].left_out[0].what == "likelihood and KL"


def test_attributes_are_found_by_name(tmp_path: Path) -> None:
    bands = banded_set(400)
    turned = replace(bands, attributes=bands.attributes[::-1], labels=bands.labels[:, ::-1])
    pack(tmp_path / "data", turned)
    bundle = write_tiny_bundle(tmp_path / "model")
    found = evaluate_bundles([bundle], tmp_path / "data", options=SMALL)[0]
    assert [shift.name for shift in found.shifts] == ["glasses", "smile"]
    # The top band, which glasses brighten, would tell a judge of smiles nothing.
    assert found.probe is not None
    assert set(found.probe.each) == {"glasses", "smile"}


def test_a_set_without_labels_is_measured_without_judges(tmp_path: Path) -> None:
    pack(tmp_path / "data", without_labels(banded_set(400)))
    bundle = write_tiny_bundle(tmp_path / "model")
    found = evaluate_bundles([bundle], tmp_path / "data", options=SMALL)[0]
    assert found.shifts == ()
    assert [ladder.extractor for ladder in found.ladders] == ["random"]


def test_a_set_without_the_bundles_attributes_does_not_fit(tmp_path: Path) -> None:
    pack(tmp_path / "data", banded_set(60, attributes=1))
    bundle = write_tiny_bundle(tmp_path / "model")
    with pytest.raises(EvaluationError, match=r"does not label smile, which .* shifts"):
        evaluate_bundles([bundle], tmp_path / "data", options=SMALL)


def test_grey_and_colour_do_not_compare(tmp_path: Path) -> None:
    grey = write_tiny_bundle(tmp_path / "grey", channels=1)
    colour = write_tiny_bundle(tmp_path / "colour", channels=3)
    with pytest.raises(EvaluationError, match="1 and 3 channels"):
        evaluate_bundles([grey, colour], tmp_path, options=SMALL)


def test_a_limit_reads_less(tmp_path: Path, data: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "model")
    with pytest.raises(EvaluationError, match="test images, but at least"):
        evaluate_bundles([bundle], data, options=SMALL, limit=30)


def test_each_layout_is_read_once_and_judges_are_taught_once(tmp_path: Path, data: Path) -> None:
    labels: list[str] = []

    def note(label: str) -> Progress:
        labels.append(label)
        return silent

    paths = [
        write_tiny_bundle(tmp_path / str(place), name=crop, crop=crop)
        for place, crop in enumerate(("centre", "pad", "pad"))
    ]
    evaluate_bundles(paths, data, options=SMALL, progress=note)
    assert labels.count("reading images") == 2
    assert labels.count("teaching judges") == 1
    assert labels.count("pad 1: shifting attributes") == 2

"""``latentserve evaluate``: what it prints, what it writes, how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli.main import main
from tests.support.banded_set import banded_set
from tests.support.pictures import pack
from tests.support.tiny_bundle import write_tiny_bundle
from training.evaluation.result import Comparison, Evaluation

if TYPE_CHECKING:
    from pathlib import Path

FEW = ["--count", "16", "--judge-steps", "8", "--quick"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    pack(tmp_path / "data", banded_set(400))
    return tmp_path / "data"


def test_one_bundle(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = str(write_tiny_bundle(tmp_path / "tiny"))
    assert main(["evaluate", bundle, "--data", str(data), *FEW]) == 0
    said = capsys.readouterr()
    found = Evaluation.model_validate_json((tmp_path / "evaluation-tiny-1.json").read_text())
    assert found.options.quick
    assert found.test_images == 16
    assert "quick: few images" in said.out
    assert "every number: evaluation-tiny-1.json" in said.out
    titles = ("Reconstruction", "Likelihood", "Latents", "FD-judge", "FD-random", "Shifts")
    for title in (*titles, "Interpolation"):
        assert f"\n{title} " in said.out
    lines = said.out.splitlines()
    psnr = next(line for line in lines if line.startswith("PSNR"))
    assert psnr.split()[-3:] == [
        f"{value:.2f}"
        for value in (
            found.reconstruction.psnr.value,
            found.reconstruction.psnr.low,
            found.reconstruction.psnr.high,
        )
    ]
    glasses = next(line for line in lines if line.startswith("glasses"))
    assert glasses.split()[-1] in {"pass", "FAIL"}
    assert "16 images are few for 128 features" in said.out
    assert "shifting attributes: 2/2" in said.err
    assert "left out of tiny 1: arithmetic: no two unrelated attributes" in said.out


def test_columns_are_aligned(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, out = str(write_tiny_bundle(tmp_path / "tiny")), str(tmp_path / "found.json")
    assert main(["evaluate", bundle, "--data", str(data), "--out", out, *FEW]) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    ladder = next(block for block in blocks if block.startswith("FD-random")).splitlines()
    width = len(ladder[1])
    assert set(ladder[1]) == {"─", " "}
    assert all(len(line) == width for line in ladder[2:9])


def test_bundles_side_by_side(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = str(write_tiny_bundle(tmp_path / "one", name="one"))
    other = str(write_tiny_bundle(tmp_path / "other", name="other", variational=False))
    out = tmp_path / "both.json"
    words = ["evaluate", one, "--data", str(data), "--out", str(out), *FEW]
    assert main([*words, "--compare", other]) == 0
    said = capsys.readouterr().out
    found = Comparison.model_validate_json(out.read_text())
    assert [evaluation.model for evaluation in found.evaluations] == ["one 1", "other 1"]
    rate = next(line for line in said.splitlines() if line.startswith("rate: KL"))
    assert rate.split()[-1] == "-", "the plain autoencoder has no rate"
    assert "left out of other 1: likelihood and KL" in said
    assert "Shifts: score" in said


def test_data_that_do_not_fit_end_with_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(write_tiny_bundle(tmp_path / "tiny"))
    assert main(["evaluate", bundle, "--data", str(tmp_path / "none")]) == 1
    assert "none does not exist" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "none"), "--data", str(tmp_path)]) == 1
    assert "no bundle at" in capsys.readouterr().err
    pack(tmp_path / "data", banded_set(60, attributes=1))
    assert main(["evaluate", bundle, "--data", str(tmp_path / "data")]) == 1
    assert "does not label smile" in capsys.readouterr().err


def test_numbers_are_checked_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--count", "7"], ["--seed", "-1"], ["--judge-steps", "0"]):
        with pytest.raises(SystemExit) as caught:
            main(["evaluate", "nowhere", "--data", "nowhere", *words])
        assert caught.value.code == 2
        assert words[1] in capsys.readouterr().err

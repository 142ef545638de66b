"""The commands that make a model, from a folder of pictures to a bundle, as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bundle import open_bundle
from cli.main import main
from tests.support.pictures import TINY, pack, pictures
from training import presets

if TYPE_CHECKING:
    from pathlib import Path

QUICK = ["--quick", "--judge-steps", "30", "--evaluate-count", "40"]


@pytest.fixture(autouse=True)
def _tiny_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "PRESETS", {"tiny": TINY.model_copy(update={"epochs": 1})})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed set of 900 pictures."""
    path = tmp_path_factory.mktemp("commands") / "data"
    pack(path, pictures(900))
    return path


def test_train_then_export(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, model = str(tmp_path / "run"), str(tmp_path / "models" / "tiny")
    words = ["train", "--preset", "tiny", "--data", str(folder), "--out", run]
    assert main([*words, "--accelerator", "cpu"]) == 0
    shown = capsys.readouterr()
    assert "psnr" in shown.out
    assert "epoch 1/1: psnr" in shown.err
    assert "licence: CC0-1.0" in shown.err
    assert main([*words, "--accelerator", "cpu"]) == 1
    assert "--resume" in capsys.readouterr().err
    assert main(["export", run, "--out", model, "--version", "7", *QUICK]) == 0
    assert capsys.readouterr().out.strip().endswith("7")
    assert open_bundle(model).manifest.version == "7"
    assert main(["export", run, "--out", model, "--version", "7", *QUICK]) == 1
    assert "never overwritten" in capsys.readouterr().err
    assert main(["export", run, "--out", model, "--version", "../x", *QUICK]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "tinny"], "no preset 'tinny'; there are tiny"),
        (["--preset", "tiny", "--set", "batch_size=1"], "batch_size"),
        (["--preset", "tiny", "--epochs", "0"], "epochs"),
        (["--preset", "tiny", "--limit", "0"], "limit of 0"),
        (["--preset", "tiny", "--set", "epochs"], "has no =; write it as NAME=VALUE"),
        (["--preset", "tiny", "--set", "epochs=many"], "'many' is not JSON"),
        (["--preset", "tiny", "--set", "epoch=3"], "epoch"),
    ],
)
def test_what_cannot_be_trained_is_said(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    out = tmp_path / "run"
    assert main(["train", *words, "--data", str(folder), "--out", str(out)]) == 1
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_that_is_no_data_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--preset", "tiny", "--out", str(tmp_path / "run"), "--data"]
    assert main([*words, str(tmp_path / "none")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_run_that_is_none_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "m")]) == 1
    assert "is not a training run" in capsys.readouterr().err


def test_presets_are_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["presets"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["tiny", "16×16×1", "4"]
    monkeypatch.undo()
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    (liu,) = (line for line in lines if line.startswith("liu-glasses-256"))
    assert "256×256×3" in liu
    assert "31.7M + 31.6M" in liu
    assert "Liu, ch. 7" in liu
    assert "source: Liu, Learn Generative AI with PyTorch" in lines


def test_presets_for_programs_are_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert main(["presets", "--json"]) == 0
    for shown in json.loads(capsys.readouterr().out):
        counts = shown.pop("parameters")
        assert presets.Preset.model_validate(shown) == presets.PRESETS[shown["name"]]
        if shown["name"] == "foster-fashion-ae":
            assert counts == {"encoder": 96_770, "decoder": 246_273}


def test_a_network_that_does_not_fit_is_said_before_images_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    image = '{"height": 48, "width": 48, "channels": 3, "resize": "box", "crop": "centre"}'
    words = ["train", "--preset", "foster-faces-64", "--set", f"image={image}"]
    assert main([*words, "--data", str(tmp_path / "none"), "--out", str(tmp_path / "run")]) == 1
    assert "written for images of 64×64×3, not 48×48×3" in capsys.readouterr().err


def test_faces_are_drawn_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "faces")
    words = ["data", "draw-faces", "--out", out, "--count", "4", "--size", "16"]
    assert main([*words, "--processes", "1"]) == 0
    assert main(words) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["data", "show", out, "--size", "16"]) == 0
    assert "drawn-faces: 4 images of 16×16×3" in capsys.readouterr().out
    assert main(["data", "show", str(tmp_path / "none")]) == 1


def test_a_count_that_is_none_is_refused() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "cli.main", "data", "draw-faces", "--count", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "0 is not a positive number" in ended.stderr

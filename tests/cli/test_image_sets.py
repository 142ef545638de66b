"""Image sets in the layouts they come in, shown and trained on as a person types it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from bundle import open_bundle
from cli.main import main
from tests.support.layouts import encoded, write_kaggle, write_shard, write_torchvision
from tests.support.pictures import TINY, pictures
from training import presets
from training.run import RunConfig

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_each_layout_is_shown_with_parts_licence_and_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_torchvision(tmp_path / "torchvision", 10, declared=12)
    write_kaggle(tmp_path / "kaggle", 10)
    write_shard(tmp_path / "hub" / "test-00000-of-00001.parquet", [encoded(9), b"?"], {})
    wanted = {
        "torchvision": ["celeba: 10 images of 16×16×3 (6 train, 2 validation, 2 test)", "12"],
        "kaggle": ["CelebA: for non-commercial research purposes only", "Kaggle's layout"],
        "hub": ["hub: 1 images", "0 validation, 1 test", "1 × image that cannot be read"],
    }
    for name, lines in wanted.items():
        assert main(["data", "show", str(tmp_path / name), "--size", "16"]) == 0
        said = capsys.readouterr().out
        assert all(line in said for line in lines), said


def test_a_shown_set_can_be_kept_in_a_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_kaggle(tmp_path / "set", 10)
    words = ["data", "show", str(tmp_path / "set"), "--size", "16"]
    said = []
    for more in ([], ["--cache", str(tmp_path / "cache")], ["--cache", str(tmp_path / "cache")]):
        assert main([*words, *more]) == 0
        said.append(capsys.readouterr())
    assert said[0].out == said[1].out == said[2].out
    assert "reading images" in said[1].err
    assert "reading images" not in said[2].err
    assert main([*words, "--limit", "3"]) == 0
    assert "3 images" in capsys.readouterr().out


def test_a_run_remembers_its_cache_and_the_export_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(presets, "PRESETS", {"tiny": TINY.model_copy(update={"epochs": 1})})
    drawn = pictures(500)
    for key, image, (bar, _) in zip(drawn.keys, drawn.images, drawn.labels, strict=True):
        path = tmp_path / "data" / ("bar" if bar else "none") / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    run, cache, model = (str(tmp_path / name) for name in ("run", "cache", "model"))
    words = ["train", "--preset", "tiny", "--data", str(tmp_path / "data"), "--out", run]
    assert main([*words, "--cache", cache, "--accelerator", "cpu"]) == 0
    assert RunConfig.read(tmp_path / "run").cache == tmp_path / "cache"
    (entry,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    assert (entry / "images.u8").stat().st_size == 500 * 16 * 16
    assert main(["export", run, "--out", model, "--evaluate-count", "0"]) == 0
    capsys.readouterr()
    assert open_bundle(model).manifest.training.images > 400
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [entry]

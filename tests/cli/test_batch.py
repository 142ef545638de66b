"""``latentserve batch``: from words to a job, and its exit statuses."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cli import main as cli_main
from tests.support.batch_jobs import make_parquet, make_tree, rows_of, vectors
from tests.support.tiny_bundle import write_tiny_bundle

DOCUMENT = Path(__file__).parents[2] / "docs" / "batch.md"


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    return str(write_tiny_bundle(tmp_path / "tiny"))


def batch(*words: str | Path) -> int:
    return cli_main.main(["batch", *map(str, words)])


def test_a_good_job_says_what_it_did(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "in", 5)
    (tmp_path / "in/notes.txt").write_text("")
    words = ("encode", tmp_path / "in", "--out", tmp_path / "out", "--bundle", bundle)
    assert batch(*words) == 0
    shown = capsys.readouterr().err.splitlines()
    assert shown[0].startswith("encode: 5/5 (100 %), ")
    assert shown[1] == (
        "latentserve batch: passed over 1 files that are no images by name (1 .txt)"
    )
    assert shown[2].startswith("latentserve batch: 5 items done in ")
    assert shown[2].endswith(f"; 0 failed; rows in {tmp_path / 'out'}/rows")
    assert batch(*words) == 0
    assert "nothing to do: all 5 items were done before" in capsys.readouterr().err


def test_failed_items_have_a_status_of_their_own(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "in", 2)
    (tmp_path / "in/bad.png").write_bytes(b"")
    words = ("--out", tmp_path / "out", "--bundle", bundle, "--quiet")
    assert batch("reconstruct", tmp_path / "in", *words) == 3
    shown = capsys.readouterr().err
    assert f"1 failed, see {tmp_path / 'out'}/errors.parquet" in shown
    assert "reconstruct: " not in shown
    assert batch("reconstruct", tmp_path / "in", *words) == 3


def test_a_job_that_cannot_begin_is_one_line(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch("encode", tmp_path / "none", "--out", tmp_path / "o", "--bundle", bundle) == 1
    assert batch("encode", tmp_path, "--out", tmp_path / "o", "--bundle", tmp_path / "none") == 1
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 2
    assert shown[0].startswith(f"latentserve batch: {tmp_path}/none does not exist; give")
    assert shown[1].startswith("latentserve batch: no bundle at")


def test_options_reach_the_job(bundle: str, tmp_path: Path) -> None:
    make_parquet(tmp_path / "in.parquet", {"sku": [7, 8], "v": [[0.0] * 4, [0.5] * 4]})
    out = tmp_path / "out"
    words = ("shift", tmp_path / "in.parquet", "--out", out, "--bundle", bundle, "--column", "v")
    strengths = ("--attribute", "glasses=0.5", "--attribute", "smile=-1")
    assert batch(*words, "--key", "sku", *strengths, "--images", "webp", "--shard-rows", "1") == 0
    table = rows_of(out)
    assert table["file"].to_pylist() == ["images/7.webp", "images/8.webp"]
    assert vectors(table, "latent")[0] == pytest.approx([1.2, 0.7 / 3, -0.7 / 3, -0.7])
    assert len(list((out / "rows").iterdir())) == 2


def test_sample_takes_a_count(bundle: str, tmp_path: Path) -> None:
    words = ("--bundle", bundle, "--seed", "7", "--temperature", "0", "--prior", "normal")
    assert batch("sample", "3", "--out", tmp_path / "out", *words) == 0
    assert vectors(rows_of(tmp_path / "out"), "latent").tolist() == [[0.0] * 4] * 3


@pytest.mark.parametrize(
    "words",
    [
        ["encode", "in"],
        ["paint", "in", "--out", "o"],
        ["sample", "0", "--out", "o"],
        ["encode", "in", "--out", "o", "--images", "png"],
        ["shift", "in", "--out", "o", "--attribute", "glasses"],
        ["shift", "in", "--out", "o", "--attribute", "glasses=much"],
        ["decode", "in", "--out", "o", "--shard-rows", "-1"],
    ],
)
def test_wrong_words_are_usage_errors(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        batch(*words)
    assert caught.value.code == 2


def test_ctrl_c_says_how_to_go_on(
    bundle: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_tree(tmp_path / "in", 2)

    def interrupted(coroutine: object) -> None:
        coroutine.close()  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "run", interrupted)
    words = ("encode", tmp_path / "in", "--out", tmp_path / "out", "--bundle", bundle)
    assert batch(*words) == 130
    assert "stopped; the same command goes on" in capsys.readouterr().err


def test_the_documents_examples_run(
    bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = DOCUMENT.read_text("utf-8").split("## Input")[0]
    examples = re.findall(r"`latentserve (batch [^`]+)` \|", table)
    assert len(examples) == 6
    make_tree(tmp_path / "photos", 4)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/faces-64").symlink_to(bundle)
    monkeypatch.chdir(tmp_path)
    for example in examples:
        assert cli_main.main(shlex.split(example.replace("10000", "10"))) == 0, example


@pytest.mark.parametrize(
    ("missing", "words", "cure"),
    [
        ("pyarrow", "encode x --out y", "pyarrow is missing; install the extra `batch`: pip insta"),
        ("onnxruntime", "encode x --out y", "onnxruntime is missing; install latentserve[cpu] or"),
        (
            "ray",
            "sample 1 --out y --ray --bundle BUNDLE",
            "ray is missing; install the extra `ray`",
        ),
        ("usearch", "index x", "usearch is missing; install the extra `search`: pip install 'lat"),
    ],
)
def test_a_missing_extra_is_named(bundle: str, missing: str, words: str, cure: str) -> None:
    argv = ["batch", *words.replace("BUNDLE", bundle).split()]
    code = (
        f"import sys; sys.modules[{missing!r}] = None;"
        f"from cli.main import main; sys.exit(main({argv!r}))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"latentserve batch: {cure}")

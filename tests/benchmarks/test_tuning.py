"""The sweep with a real server, once, and what the command says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.choice import Settings, Trial
from benchmarks.tuning import Swept
from cli import bench
from cli.main import main
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path


def test_one_setting_is_tried_and_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    words = ["--bundle", str(bundle), "--mix", "decode=2,encode,shift", "--p95-ms", "20000"]
    hurry = ["--device", "cpu", "--seconds", "0.05", "--budget-s", "0.001"]
    assert main(["bench", "tune", *words, *hurry]) == 0
    shown = capsys.readouterr().out
    defaults = "latentserve serve --workers 1 --threads 0 --max-batch-size 32"
    assert f"  {defaults} --max-queue-delay-ms 0" in shown
    assert shown.count("answers/s, p95") == 4
    assert "settings were not tried" in shown
    assert shown.count("◂") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--p95-ms", "0"], "p95 limit"),
        (["--mix", "decode=0"], "share"),
        (["--mix", "dream"], "'dream'"),
        (["--seconds", "-1"], "--seconds is -1.0"),
    ],
)
def test_a_wrong_flag_is_explained(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    assert main(["bench", "tune", "--bundle", str(bundle), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_missing_bundle_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "tune", "--bundle", str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err


def test_out_of_reach_is_said_with_the_nearest() -> None:
    trials = [Trial(Settings(), callers, 10.0, 5.0, 9.0 * callers, 0, 1.0) for callers in (1, 8)]
    text = bench.conclusion(Swept(trials, []), None, 5.0)
    assert "within 5 ms; the quickest took 9.0 ms with 1 callers" in text
    assert "◂" not in bench.table(trials, None)

from __future__ import annotations

from typing import TYPE_CHECKING

from training.report.curves import last, read_curves

if TYPE_CHECKING:
    from pathlib import Path


def _log(run: Path, folder: str, text: str) -> None:
    (run / folder).mkdir()
    (run / folder / "metrics.csv").write_text(text)


def test_points_of_training_and_validation_are_kept_apart(tmp_path: Path) -> None:
    _log(
        tmp_path,
        "logs",
        "epoch,step,train/kl,val/kl\n0,9,,3.5\n0,9,4.0,\n1,19,,2.5\n1,19,3.0,\n",
    )
    curves = read_curves(tmp_path)
    assert curves == {"val/kl": ((1, 3.5), (2, 2.5)), "train/kl": ((1, 4.0), (2, 3.0))}
    assert last(curves, "val/kl") == 2.5
    assert last(curves, "val/psnr") is None


def test_a_resumed_run_goes_on_and_its_later_words_count(tmp_path: Path) -> None:
    _log(tmp_path, "logs", "epoch,step,val/kl\n0,9,9\n1,19,8\n")
    _log(tmp_path, "logs-10", "epoch,step,val/kl\n2,29,1\n")
    _log(tmp_path, "logs-2", "epoch,step,val/kl\n1,19,7\n2,29,6\n")
    (tmp_path / "logs-old").mkdir()
    assert read_curves(tmp_path) == {"val/kl": ((1, 9), (2, 7), (3, 1))}


def test_broken_lines_and_values_that_are_no_numbers_are_passed_over(tmp_path: Path) -> None:
    _log(tmp_path, "logs", "epoch,step,val/kl,val/mse\n0,9,nan,0.5\n1,19,oops,inf\n2,29\n,,1,2\n3")
    assert read_curves(tmp_path) == {"val/mse": ((1, 0.5),)}


def test_a_run_without_a_log_has_no_curves(tmp_path: Path) -> None:
    assert read_curves(tmp_path) == {}

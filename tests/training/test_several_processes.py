"""Two real processes under torchrun come to where one would have come."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from cli.main import main
from tests.support.pictures import pack, pictures
from training.batches import EpochBatches, ordered_loader
from training.processes import Processes
from training.run import LAST, load_network

if TYPE_CHECKING:
    from pathlib import Path

# Networks without batch statistics, which are those of each process on a CPU.
NETWORK = ["--preset", "chollet-mnist-2e", "--accelerator", "cpu", "--set", "batch_size=32"]
TEXTBOOK = [*NETWORK, "--set", "learning_rate=0.0003"]
CALIBRATED = [
    *NETWORK,
    *("--set", "textbook=null", "--set", "shift_focus=0.5", "--set", "judge_epochs=1"),
    *("--set", "learning_rate=0.0003", "--set", 'learns_from="train"'),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed set of 300 pictures."""
    path = tmp_path_factory.mktemp("several") / "data"
    pack(path, pictures(300, size=28))
    return path


def _together(words: list[str]) -> list[str]:
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return [sys.executable, *torchrun, "-m", "cli.main", "train", *words]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def _train_together(words: list[str]) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        _together(words),
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    assert ended.returncode == 0, ended.stderr
    return ended


def _metrics(run: Path) -> list[dict[str, str]]:
    with (run / "logs" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def _assert_close(one: Path, other: Path) -> None:
    ours, theirs = (torch.load(run / LAST, weights_only=True)["state_dict"] for run in (one, other))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        # Sums come in another order, and the optimiser makes much of gradients that are nearly 0;
        # one step more or less would be several times this bound.
        change = (theirs[name] - value).double().norm()
        assert change <= 1e-3 * value.double().norm() + 1e-5, name


@pytest.mark.timeout(400)
def test_two_processes_learn_what_one_learns(folder: Path, tmp_path: Path) -> None:
    words = [*CALIBRATED, "--data", str(folder), "--epochs", "2", "--out"]
    assert main(["train", *words, str(tmp_path / "one")]) == 0
    ended = _train_together([*words, str(tmp_path / "two")])
    _assert_close(tmp_path / "one", tmp_path / "two")
    # One of them writes and speaks.
    assert ended.stdout.count("psnr") == 1
    assert ended.stderr.count("epoch 2/2") == 1
    for ours, theirs in zip(*(_metrics(tmp_path / run) for run in ("one", "two")), strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            # What else is watched depends on numbers drawn for uneven parts.
            if value and (name.startswith("train/") or name in {"val/psnr", "val/mse"}):
                assert float(theirs[name]) == pytest.approx(float(value), rel=1e-3), name


@pytest.mark.timeout(400)
def test_two_interrupted_processes_stop_together_and_go_on(folder: Path, tmp_path: Path) -> None:
    words = [*TEXTBOOK, "--data", str(folder), "--epochs", "5", "--out"]
    with subprocess.Popen(
        _together([*words, str(tmp_path / "two")]),
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    ) as running:
        assert running.stderr is not None
        said = ""
        for line in running.stderr:
            said += line
            if line.startswith("epoch 1/"):  # nine steps each
                running.send_signal(signal.SIGINT)
        assert running.wait() != 0
    assert said.count("with --resume goes on") == 1
    assert "epoch 5/5" not in said
    _train_together([*words, str(tmp_path / "two"), "--resume"])
    assert main(["train", *words, str(tmp_path / "one")]) == 0
    _assert_close(tmp_path / "one", tmp_path / "two")
    assert load_network(tmp_path / "two")[0].preset.name == "chollet-mnist-2e"


def test_torchrun_says_who_is_who() -> None:
    environment = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
    processes = Processes.of_torchrun(environment)
    assert (processes.rank, processes.count, processes.machines) == (5, 8, 2)
    assert not processes.first
    assert Processes.of_torchrun({"RANK": "5"}) == Processes()
    assert Processes().first


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    assert Processes(count=4).share(128) == 32
    with pytest.raises(ValueError, match="a batch of 100 cannot be shared by 3 processes"):
        Processes(count=3).share(100)


def test_shares_of_a_batch_make_it_whole() -> None:
    whole = list(EpochBatches(50, 12, seed=3))
    shares = [list(EpochBatches(50, 12, seed=3, part=part, parts=3)) for part in range(3)]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert sorted(row for part in parts for row in part) == sorted(batch)
        assert [len(part) for part in parts] == [4, 4, 4]
        assert batch[:6] == [parts[row % 3][row // 3] for row in range(6)]


@pytest.mark.parametrize(("items", "batches"), [(21, 3), (17, 2), (16, 2), (5, 1)])
def test_no_process_is_left_without_an_image_to_watch(items: int, batches: int) -> None:
    data = pictures(items)
    loaders = [ordered_loader(data, 8, part=part, parts=2) for part in range(2)]
    seen = [[len(pixels) for pixels, _ in loader] for loader in loaders]
    assert [len(loader) for loader in loaders] == [batches, batches]
    assert [len(sizes) for sizes in seen] == [batches, batches]
    assert sum(map(sum, seen)) == items
    assert min(map(min, seen)) > 0


def test_fewer_images_than_processes_are_refused() -> None:
    with pytest.raises(ValueError, match="2 images cannot be shared by 3 processes"):
        ordered_loader(pictures(2), 8, part=0, parts=3)

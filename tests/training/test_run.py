from __future__ import annotations

import csv
import signal
from typing import TYPE_CHECKING, Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from tests.support.pictures import TINY, pictures, without_labels
from training.callbacks import InterruptedRunError
from training.presets import PRESETS
from training.run import LAST, RunConfig, RunError, load_network, train

if TYPE_CHECKING:
    from pathlib import Path

    from training.data import Dataset
    from training.presets import Preset

DATA = pictures(400)


def _train(out: Path, *, data: Dataset = DATA, preset: Preset = TINY, **options: Any) -> Any:
    return train(preset, data, out, source="pictures", accelerator="cpu", **options)


def _weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / LAST, weights_only=True)["state_dict"]
    return state


def _metrics(run: Path) -> list[dict[str, str]]:
    with (run / "logs" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def _assert_same(one: Path, other: Path) -> None:
    ours, theirs = _weights(one), _weights(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never broken."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    _train(out)
    return out


def test_a_run_folder_holds_what_a_person_looks_for(whole: Path) -> None:
    config = RunConfig.read(whole)
    assert config.preset == TINY
    assert config.attributes == DATA.attributes
    assert config.licence == "CC0-1.0"
    assert sorted(path.name for path in (whole / "sheets").iterdir()) == [
        "epoch-001.png",
        "epoch-002.png",
    ]
    assert list((whole / "tensorboard").glob("events.*"))
    psnr = [float(row["val/psnr"]) for row in _metrics(whole) if row["val/psnr"]]
    assert len(psnr) == 2
    assert psnr[1] > psnr[0]


def test_the_same_seed_gives_the_same_weights(whole: Path, tmp_path: Path) -> None:
    _train(tmp_path / "again")
    _assert_same(whole, tmp_path / "again")


class _InterruptAt(Callback):
    def __init__(self, step: int) -> None:
        self._step = step

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self._step:
            signal.raise_signal(signal.SIGINT)


def _break_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import training.trainer as module  # noqa: PLC0415  (to patch it as a whole)

    build = module.Sheets

    def with_interrupt(*args: Any) -> Any:
        sheets = build(*args)
        monkeypatch.setattr(
            sheets,
            "on_train_batch_start",
            _InterruptAt(step).on_train_batch_start,
            raising=False,
        )
        return sheets

    monkeypatch.setattr(module, "Sheets", with_interrupt)


# 11 batches an epoch: in the middle of the first, at its end, in the middle of the second
@pytest.mark.parametrize("step", [4, 10, 17])
def test_an_interrupted_run_goes_on_to_the_same_result(
    whole: Path, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, handler = tmp_path / "broken", signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        _break_at(step, patch)
        with pytest.raises(InterruptedRunError):
            _train(out)
    assert signal.getsignal(signal.SIGINT) is handler
    _train(out, resume=True)
    _assert_same(whole, out)


# a step's noise, RMSprop's squares, a plain autoencoder without labels to look at
@pytest.mark.parametrize("name", ["chollet-mnist-2e", "chollet-mnist-1e", "liu-mnist-ae"])
def test_a_text_books_run_goes_on_and_logs_the_books_figures(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = PRESETS[name].model_copy(update={"epochs": 2, "batch_size": 32, "learning_rate": 3e-4})
    data = pictures(150, size=28)
    _train(tmp_path / "whole", data=data, preset=preset)
    with monkeypatch.context() as patch:
        _break_at(5, patch)  # four batches an epoch
        with pytest.raises(InterruptedRunError):
            _train(tmp_path / "broken", data=data, preset=preset)
    _train(tmp_path / "broken", data=data, preset=preset, resume=True)
    _assert_same(tmp_path / "whole", tmp_path / "broken")
    rows = _metrics(tmp_path / "whole")
    variational = not name.endswith("-ae")
    for part in ("train", "val"):
        losses = [float(row[f"{part}/book_loss"]) for row in rows if row[f"{part}/book_loss"]]
        assert losses[1] < losses[0]
        assert (f"{part}/kl" in rows[0]) == (f"{part}/book_kl" in rows[0]) == variational
    assert load_network(tmp_path / "whole")[1].network.variational == variational
    begun = preset.model_copy(update={"epochs": 1, "learning_rate": 1e-9})
    _train(tmp_path / "next", data=data, preset=begun, init=tmp_path / "whole")
    after = _weights(tmp_path / "next")
    for key, value in _weights(tmp_path / "whole").items():
        torch.testing.assert_close(after[key], value, atol=1e-5, rtol=1e-4)


def test_a_loaded_network_is_the_trained_one(whole: Path) -> None:
    config, module = load_network(whole)
    assert config.preset == TINY
    assert not module.training
    torch.testing.assert_close(
        module.network.encoder.head.weight, _weights(whole)["network.encoder.head.weight"]
    )


def test_pictures_without_labels_train_too(tmp_path: Path) -> None:
    figures = _train(tmp_path / "plain", data=without_labels(DATA))
    assert figures["psnr"] > 10
    assert "shift_right" not in figures
    assert load_network(tmp_path / "plain")[1].judge is None


def test_mixed_precision_comes_close_to_full(whole: Path, tmp_path: Path) -> None:
    mixed = _train(tmp_path / "mixed", precision="bf16")
    full = [float(row["val/psnr"]) for row in _metrics(whole) if row["val/psnr"]]
    assert mixed["psnr"] == pytest.approx(full[-1], abs=1.0)
    assert {value.dtype for value in _weights(tmp_path / "mixed").values()} <= {
        torch.float32,
        torch.int64,
    }


def test_a_run_begins_from_the_weights_of_another(whole: Path, tmp_path: Path) -> None:
    still = TINY.model_copy(update={"epochs": 1, "learning_rate": 1e-9, "weight_decay": 0.0})
    _train(tmp_path / "next", preset=still, init=whole)
    name = "network.encoder.head.weight"
    torch.testing.assert_close(
        _weights(tmp_path / "next")[name], _weights(whole)[name], atol=1e-6, rtol=1e-5
    )
    assert RunConfig.read(tmp_path / "next").init == str(whole)
    wider = TINY.model_copy(update={"widths": (8, 24)})
    with pytest.raises(RunError, match="do not fit this preset"):
        _train(tmp_path / "wider", preset=wider, init=whole)


def test_a_folder_in_use_is_not_overwritten(whole: Path) -> None:
    with pytest.raises(RunError, match="exists already; resume it with --resume"):
        _train(whole)


def test_a_run_is_resumed_with_its_own_values_only(whole: Path) -> None:
    with pytest.raises(RunError, match="other values of preset, seed"):
        _train(whole, preset=TINY.model_copy(update={"learning_rate": 1.0}), seed=1, resume=True)


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a training run"):
        _train(tmp_path, resume=True)


def test_too_few_images_are_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not fill one batch of 32"):
        _train(tmp_path / "few", data=pictures(30))

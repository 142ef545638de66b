"""The trainer of a run: devices, precision, checkpoints, logs, averaged weights.

Lightning's trainer does the work; here is what this project asks of it.
"""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from training.batches import ordered_loader
from training.callbacks import Bar, PlainLines, Sheets, SkipDone, StopOnInterrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from training.batches import EpochBatches
    from training.data import Dataset
    from training.presets import Preset
    from training.processes import Processes

LAST = "checkpoints/last.ckpt"
SHOWN = 512
"""Watched images that the sheets are made from, at most."""
SHOWN_VALUES = 1 << 24
"""Large images are fewer: so many values together."""

Accelerator = Literal["auto", "cpu", "gpu"]
Precision = Literal["auto", "32", "bf16"]


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the trainer says to every caller and that is intended here."""
    intended = (
        r".*does not have many workers.*",  # whole batches come from memory
        r".*The number of training batches.*",  # short runs log seldom
        r".*module\(s\) in eval mode.*",  # the judge stands still
        r".*isinstance\(treespec, LeafSpec\).*",  # the trainer's own use of torch
        r".*`weights_only` was not set.*",
        r".*Checkpoint directory .* exists.*",  # resumed runs go on in theirs
        r".*resuming from a checkpoint that ended before the epoch.*",  # `SkipDone` sees to it
    )
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in intended:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        logger.setLevel(before)


def build_trainer(
    preset: Preset,
    out: Path,
    watched: Dataset,
    order: EpochBatches,
    *,
    processes: Processes,
    accelerator: Accelerator,
    precision: Precision,
) -> Trainer:
    """Lightning's trainer for one run in the folder ``out``.

    Args:
        preset: Gives epochs and the average of the weights.
        out: The run folder.
        watched: The validation images, some of which are shown on sheets.
        order: Of the training loader; told where a broken epoch goes on.
        processes: That train together, by Lightning's DDP where there are several.
        accelerator: ``auto`` takes a GPU where there is one.
        precision: ``auto`` takes bfloat16 mixed precision on a GPU, plain floats on a CPU.
    """
    gpu = accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available())
    mixed = precision == "bf16" or (precision == "auto" and gpu)
    last = out / LAST
    values = preset.image.height * preset.image.width * preset.image.channels
    shown = next(iter(ordered_loader(watched, max(1, min(SHOWN, SHOWN_VALUES // values)))))
    callbacks: list[Callback] = [
        ModelCheckpoint(dirpath=last.parent, filename="last", enable_version_counter=False),
        SkipDone(order),
        Sheets(out / "sheets", shown),
        PlainLines(),
        StopOnInterrupt(last, together=processes.count > 1),
    ]
    shown_to_a_person = sys.stderr.isatty()
    if shown_to_a_person:
        callbacks.append(Bar())
    if preset.ema_decay:
        callbacks.insert(0, WeightAveraging(avg_fn=_moving_average(preset.ema_decay)))
    return Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=processes.on_machine,
        num_nodes=processes.machines,
        strategy="ddp" if processes.count > 1 else "auto",
        sync_batchnorm=gpu and processes.count > 1,
        precision="bf16-mixed" if mixed else "32-true",
        max_epochs=preset.epochs,
        callbacks=callbacks,
        logger=[
            CSVLogger(out, name="", version=_new_folder(out, "logs")),
            TensorBoardLogger(out, name="", version="tensorboard"),
        ],
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=shown_to_a_person,
        enable_model_summary=False,
        log_every_n_steps=50,
    )


def _new_folder(out: Path, name: str) -> str:
    """``name``, or for a resumed run ``name-2`` and so on: what was logged before is kept."""
    number, folder = 1, name
    while (out / folder).exists():
        number += 1
        folder = f"{name}-{number}"
    return folder


def _moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """An exponential average that forgets its first steps faster, so that short runs work too."""

    def average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        steps = float(count)
        keep = min(decay, (1.0 + steps) / (10.0 + steps))
        return averaged + (current - averaged) * (1.0 - keep)

    return average

"""A training run: one folder from which the run can be resumed, looked at and exported.

    preset, image set → judge → Lightning's trainer → run folder
    run.json · checkpoints/last.ckpt · logs/metrics.csv · tensorboard/ · sheets/epoch-*.png

1. A step's random numbers and an epoch's order come from the seed and their own number alone,
   so a resumed run goes where the unbroken one would have gone.
2. Checkpoints hold tensors and plain values; nothing in a run folder is unpickled freely.
"""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import lightning
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from pydantic import BaseModel, ConfigDict

from training.batches import ordered_loader, training_loader
from training.callbacks import Bar, PlainLines, Sheets, SkipDone, StopOnInterrupt
from training.data import Dataset, Split
from training.detail import pixel_weights
from training.flips import common_rows
from training.judge import Judge, teach
from training.module import VAEModule
from training.presets import Preset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from training.batches import EpochBatches

LAST = "checkpoints/last.ckpt"
CONFIG = "run.json"
DETAIL_IMAGES = 10_000
"""So many training images are enough to see where attributes show."""

Accelerator = Literal["auto", "cpu", "gpu"]
Precision = Literal["auto", "32", "bf16"]


class RunError(ValueError):
    """The run folder cannot be used as asked; the message says why."""


class RunConfig(BaseModel):
    """What a run was started with (``run.json``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Preset
    seed: int
    dataset: str
    licence: str
    attributes: tuple[str, ...]
    images: int
    limit: int | None
    data: str
    init: str | None = None
    torch_version: str

    @classmethod
    def read(cls, run: Path) -> RunConfig:
        """The configuration of the run in folder ``run``.

        Raises:
            RunError: There is none, or it is not valid.
        """
        try:
            return cls.model_validate_json((run / CONFIG).read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"{run} is not a training run: {error}") from error


def train(
    preset: Preset,
    data: Dataset,
    out: Path,
    *,
    source: str,
    seed: int = 0,
    limit: int | None = None,
    resume: bool = False,
    init: Path | None = None,
    accelerator: Accelerator = "auto",
    precision: Precision = "auto",
    compiled: bool = False,
) -> dict[str, float]:
    """Train ``preset`` on ``data`` in the folder ``out``.

    Args:
        preset: The recipe.
        data: The whole image set; its train part is learnt, its validation part watched.
        out: The run folder; new, or with ``resume`` one that `train` has begun.
        source: Where the data came from, for the record.
        seed: Of weights, order and noise.
        limit: The limit that ``data`` was read with, for the record.
        resume: Go on from the last checkpoint.
        init: Another run, whose averaged weights are where this one begins.
        accelerator: ``auto`` takes a GPU where there is one.
        precision: ``auto`` takes bfloat16 mixed precision on a GPU, plain floats on a CPU.
        compiled: Train through `torch.compile`.

    Returns:
        The last validation's figures.

    Raises:
        RunError: ``out`` holds another run, or nothing to resume, or ``init`` does not fit.
        InterruptedRunError: Ctrl-C; the checkpoint is written.
    """
    config = RunConfig(
        preset=preset,
        seed=seed,
        dataset=data.name,
        licence=data.licence,
        attributes=data.attributes,
        images=len(data),
        limit=limit,
        data=source,
        init=None if init is None else str(init),
        torch_version=torch.__version__,
    )
    _prepare(out, config, resume=resume)
    lightning.seed_everything(seed, verbose=False)
    training, validation = data.part(Split.TRAIN), data.part(Split.VALIDATION)
    if not len(validation):
        raise RunError(f"{data.name} has no validation images; give a set of a few hundred or more")
    loader, order = training_loader(training, preset.batch_size, seed=seed)
    with _quiet():
        trainer = _trainer(
            preset, out, validation, order, accelerator=accelerator, precision=precision
        )
    device = trainer.strategy.root_device
    module = VAEModule(
        preset,
        seed=seed,
        pixel_weights=torch.from_numpy(
            pixel_weights(
                training.images[:DETAIL_IMAGES],
                training.labels[:DETAIL_IMAGES],
                preset.detail_weight,
            )
        ),
        label_rows=torch.from_numpy(common_rows(training.labels)).float(),
        judge=_judge(preset, training, seed, device, untaught=resume),
        steps_per_epoch=len(loader),
    )
    if init is not None and not resume:
        _begin_from(init, module)
    module.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    if compiled:
        module.compile_networks()
    with _quiet():
        trainer.fit(
            module,
            loader,
            ordered_loader(validation, 4 * preset.batch_size),
            ckpt_path=out / LAST if resume else None,
            weights_only=True,
        )
    return {
        name.partition("/")[2]: float(value)
        for name, value in trainer.callback_metrics.items()
        if name.startswith("val/")
    }


def _begin_from(init: Path, module: VAEModule) -> None:
    network = load_network(init)[1].network
    try:
        module.network.load_state_dict(network.state_dict())
    except RuntimeError as error:
        raise RunError(f"the weights of {init} do not fit this preset: {error}") from error


def load_network(run: Path) -> tuple[RunConfig, VAEModule]:
    """The trained (averaged) network of a run, on the CPU and in evaluation mode.

    Raises:
        RunError: There is no run or no checkpoint, or they do not fit together.
    """
    config = RunConfig.read(run)
    try:
        checkpoint = torch.load(run / LAST, map_location="cpu", weights_only=True)
    except OSError as error:
        raise RunError(f"{run} has no checkpoint yet: {error}") from error
    state: dict[str, Tensor] = checkpoint["state_dict"]
    preset, image = config.preset, config.preset.image
    module = VAEModule(
        preset,
        seed=config.seed,
        pixel_weights=torch.ones(image.height, image.width),
        label_rows=torch.zeros_like(state["label_rows"]),
        judge=_untaught(preset, len(config.attributes)) if config.attributes else None,
        steps_per_epoch=1,
    )
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise RunError(f"the checkpoint in {run} is not of its preset: {error}") from error
    return config, module.eval()


@contextmanager
def _quiet() -> Iterator[None]:
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


def _prepare(out: Path, config: RunConfig, *, resume: bool) -> None:
    if resume:
        before = RunConfig.read(out)
        changed = [
            name
            for name in ("preset", "seed", "attributes", "images", "limit", "init")
            if getattr(before, name) != getattr(config, name)
        ]
        if changed:
            raise RunError(
                f"{out} was started with other values of {', '.join(changed)}; resume it with "
                "those, or train into a new folder"
            )
        if not (out / LAST).is_file():
            raise RunError(f"{out} has no checkpoint to resume; train it anew")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} exists already; resume it with --resume or choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    (out / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _trainer(
    preset: Preset,
    out: Path,
    validation: Dataset,
    order: EpochBatches,
    *,
    accelerator: Accelerator,
    precision: Precision,
) -> Trainer:
    gpu = accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available())
    mixed = precision == "bf16" or (precision == "auto" and gpu)
    last = out / LAST
    shown = next(iter(ordered_loader(validation, 512)))
    callbacks: list[Callback] = [
        ModelCheckpoint(dirpath=last.parent, filename="last", enable_version_counter=False),
        SkipDone(order),
        Sheets(out / "sheets", shown),
        PlainLines(),
        StopOnInterrupt(last),
    ]
    shown_to_a_person = sys.stderr.isatty()
    if shown_to_a_person:
        callbacks.append(Bar())
    if preset.ema_decay:
        callbacks.insert(0, WeightAveraging(avg_fn=_moving_average(preset.ema_decay)))
    return Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=1,
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


def _untaught(preset: Preset, attributes: int) -> Judge:
    image = preset.image
    judge = Judge(
        channels=image.channels, height=image.height, width=image.width, attributes=attributes
    )
    return judge.eval().requires_grad_(False)  # noqa: FBT003


def _judge(
    preset: Preset, training: Dataset, seed: int, device: torch.device, *, untaught: bool
) -> Judge | None:
    """A taught judge; an untaught one where a checkpoint is about to bring its weights."""
    if not training.attributes or not (preset.feature_weight or preset.shift_weight):
        return None
    judge = _untaught(preset, len(training.attributes))
    if not untaught:
        judge.to(device).requires_grad_(True)  # noqa: FBT003  (torch's signature)
        steps = preset.judge_epochs * (len(training) // preset.batch_size)
        teach(judge, training, batch_size=preset.batch_size, steps=steps, seed=seed + 1)
    return judge

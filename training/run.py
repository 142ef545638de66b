"""A training run: one folder from which the run can be resumed, looked at and exported.

    preset, image set → judge → Lightning's trainer → run folder
    run.json · checkpoints/last.ckpt · logs/metrics.csv · tensorboard/ · sheets/epoch-*.png

1. A step's random numbers and an epoch's order come from the seed and their own number alone,
   so a resumed run goes where the unbroken one would have gone.
2. Checkpoints hold tensors and plain values; nothing in a run folder is unpickled freely.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import lightning
import torch
from pydantic import BaseModel, ConfigDict

from training.batches import ordered_loader, training_loader
from training.calibrated import CalibratedModule
from training.detail import pixel_weights
from training.flips import common_rows
from training.judge import Judge, teach
from training.learnt import learnt_parts
from training.presets import Preset
from training.processes import Processes
from training.textbook import TextbookModule
from training.trainer import LAST, build_trainer, quiet

if TYPE_CHECKING:
    from torch import Tensor

    from training.data import Dataset
    from training.module import VAEModule
    from training.trainer import Accelerator, Precision

CONFIG = "run.json"


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
    cache: Path | None = None
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
    cache: Path | None = None,
    resume: bool = False,
    init: Path | None = None,
    accelerator: Accelerator = "auto",
    precision: Precision = "auto",
    compiled: bool = False,
) -> dict[str, float]:
    """Train ``preset`` on ``data`` in the folder ``out``.

    Args:
        preset: The recipe.
        data: The whole image set; the preset says which parts are learnt and watched.
        out: The run folder; new, or with ``resume`` one that `train` has begun.
        source: Where the data came from, for the record.
        seed: Of weights, order and noise.
        limit: The limit that ``data`` was read with, for the record.
        cache: The cache that ``data`` lies in, for whoever reads it again for this run.
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
        cache=cache,
        init=None if init is None else str(init),
        torch_version=torch.__version__,
    )
    processes = Processes.of_torchrun()
    shared = {"part": processes.rank, "parts": processes.count}
    processes.share(preset.batch_size)
    if processes.first:
        _prepare(out, config, resume=resume)
    lightning.seed_everything(seed, verbose=False)
    training, watched = learnt_parts(preset, data)
    passes = preset.passes(len(training))
    loader, order = training_loader(training, preset.batch_size, seed=seed, passes=passes, **shared)
    with quiet():
        trainer = build_trainer(
            preset,
            out,
            watched,
            order,
            processes=processes,
            accelerator=accelerator,
            precision=precision,
        )
    module = _module(
        preset,
        training,
        seed=seed,
        device=trainer.strategy.root_device,
        steps_per_epoch=len(loader),
        processes=processes,
        untaught=resume,
    )
    if init is not None and not resume:
        _begin_from(init, module)
    module.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    if compiled:
        module.compile_networks()
    with quiet():
        trainer.fit(
            module,
            loader,
            ordered_loader(watched, 4 * preset.batch_size, **shared),
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
    module = _empty_module(config, state)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise RunError(f"the checkpoint in {run} is not of its preset: {error}") from error
    return config, module.eval()


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


def _module(
    preset: Preset,
    training: Dataset,
    *,
    seed: int,
    device: torch.device,
    steps_per_epoch: int,
    processes: Processes,
    untaught: bool,
) -> VAEModule:
    """The preset's objective with fresh weights.

    Its judge is taught, or left untaught where a checkpoint is about to bring its weights.
    """
    if preset.textbook is not None:
        return TextbookModule(
            preset,
            preset.textbook,
            seed=seed,
            steps_per_epoch=steps_per_epoch,
            processes=processes,
        )
    weights = pixel_weights(training.images, training.labels, preset.detail_weight)
    return CalibratedModule(
        preset,
        seed=seed,
        pixel_weights=torch.from_numpy(weights),
        label_rows=torch.from_numpy(common_rows(training.labels)).float(),
        judge=_judge(preset, training, seed, device, untaught=untaught),
        steps_per_epoch=steps_per_epoch,
        processes=processes,
    )


def _empty_module(config: RunConfig, state: dict[str, Tensor]) -> VAEModule:
    """A module that ``state`` can be loaded into."""
    preset, image = config.preset, config.preset.image
    if preset.textbook is not None:
        return TextbookModule(preset, preset.textbook, seed=config.seed, steps_per_epoch=1)
    judged = any(name.startswith("judge.") for name in state)
    return CalibratedModule(
        preset,
        seed=config.seed,
        pixel_weights=torch.ones(image.height, image.width),
        label_rows=torch.zeros_like(state["label_rows"]),
        judge=_untaught(preset, len(config.attributes)) if judged else None,
        steps_per_epoch=1,
    )


def _untaught(preset: Preset, attributes: int) -> Judge:
    image = preset.image
    judge = Judge(
        channels=image.channels, height=image.height, width=image.width, attributes=attributes
    )
    return judge.eval().requires_grad_(False)  # noqa: FBT003  (torch's own signature)


def _judge(
    preset: Preset, training: Dataset, seed: int, device: torch.device, *, untaught: bool
) -> Judge | None:
    """A taught judge; an untaught one where a checkpoint is about to bring its weights."""
    if not training.attributes or not (preset.feature_weight or preset.shift_weight):
        return None
    judge = _untaught(preset, len(training.attributes))
    if not untaught:
        judge.to(device).requires_grad_(True)  # noqa: FBT003  (torch's signature)
        steps = preset.judge_steps(len(training))
        teach(judge, training, batch_size=preset.batch_size, steps=steps, seed=seed + 1)
    return judge

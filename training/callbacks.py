"""What the trainer does besides training: sheets, plain progress lines, a stop that can be resumed.

Each callback looks on or saves; none changes a number of the run.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from tqdm import tqdm

from training.batches import to_unit
from training.sheets import sheet, write_png

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from lightning.pytorch import LightningModule, Trainer

    from training.batches import Batch, EpochBatches


FIGURES = {
    "val/psnr": "psnr",
    "val/kl": "kl",
    "val/attributes_kept": "attributes_kept",
    "val/shift_right": "shift_right",
    "val/book_loss": "val_book_loss",
    "train/book_loss": "book_loss",
    "train/loss": "loss",
}
"""What the line of an epoch shows, and what it is called there."""


AGREE_EVERY = 8
"""Steps between two times that several processes ask each other whether to stop."""


class InterruptedRunError(RuntimeError):
    """Ctrl-C: the step was finished and the checkpoint written."""


class Sheets(Callback):
    """Writes one picture after each epoch: reconstructions, samples, shifts."""

    def __init__(self, folder: Path, batch: Batch) -> None:
        """Pictures of the validation images in ``batch`` go to ``folder``."""
        self._folder, self._batch = folder, batch

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook; the averaged weights are in place here."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        pixels, labels = (part.to(pl_module.device) for part in self._batch)
        name = f"epoch-{trainer.current_epoch + 1:03d}.png"
        write_png(self._folder / name, sheet(pl_module, to_unit(pixels), labels))  # type: ignore[arg-type]  # the one module there is


class Bar(TQDMProgressBar):
    """One line for the running epoch; it goes when the epoch ends, and `PlainLines` stays."""

    def __init__(self) -> None:
        """A bar that is redrawn a few times a second."""
        super().__init__(refresh_rate=5, leave=False)

    def on_train_epoch_start(self, trainer: Trainer, *args: LightningModule) -> None:
        """Lightning's hook: epochs are counted from 1, as in the lines."""
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(f"epoch {trainer.current_epoch + 1}")

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Lightning's hook: without the loggers' version, which says nothing here."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class PlainLines(Callback):
    """Prints one line for each epoch, with the figures and the time left."""

    def __init__(self, stream: Any = None) -> None:  # noqa: ANN401  (anything with write)
        """Lines go to ``stream``, standard error if not given."""
        self._stream = stream or sys.stderr
        self._begun = 0.0
        self._first_epoch = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook."""
        self._begun, self._first_epoch = time.monotonic(), trainer.current_epoch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook; validation of the epoch has been done."""
        if not trainer.is_global_zero:
            return
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
        spent = time.monotonic() - self._begun
        left = spent / max(1, done - self._first_epoch) * (total - done)
        shown = trainer.callback_metrics
        figures = " ".join(
            f"{label} {float(shown[name]):.4g}" for name, label in FIGURES.items() if name in shown
        )
        # A bar may be on the terminal: tqdm writes above it.
        tqdm.write(
            f"epoch {done}/{total}: {figures}; {spent:.0f} s, {left:.0f} s left", file=self._stream
        )


class SkipDone(Callback):
    """Lets an epoch that was broken off go on after its last step."""

    def __init__(self, order: EpochBatches) -> None:
        """``order`` is the training loader's."""
        self._order = order

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Lightning's hook: every batch is one step, so the steps tell where the epoch stands."""
        self._order.skip(checkpoint["global_step"] % len(self._order))


class StopOnInterrupt(Callback):
    """On Ctrl-C ends the step, writes the checkpoint, and raises `InterruptedRunError`.

    Several processes hear of it at different steps; they agree every few steps, and all stop
    after the same one.
    """

    def __init__(self, checkpoint: Path, *, together: bool = False) -> None:
        """The checkpoint goes to the file ``checkpoint``; ``together`` with other processes."""
        self._checkpoint, self._together = checkpoint, together
        self._asked = False
        self._before: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook: from here on Ctrl-C only asks.

        Not earlier: the trainer puts back the handlers that it found when it set up its own.
        """
        self._before = signal.signal(signal.SIGINT, self._ask)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401  (Lightning's)
        batch: Any,  # noqa: ANN401  (the trainer's own signature)
        batch_idx: int,
    ) -> None:
        """Lightning's hook."""
        if self._agreed(trainer):
            trainer.save_checkpoint(self._checkpoint)
            raise InterruptedRunError(str(self._checkpoint))

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Lightning's hook."""
        self._restore()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lightning's hook."""
        self._restore()

    def _agreed(self, trainer: Trainer) -> bool:
        if not self._together:
            return self._asked
        if trainer.global_step % AGREE_EVERY:
            return False
        return trainer.strategy.reduce_boolean_decision(self._asked, all=False)

    def _restore(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        print("\nstopping after this step; once more to stop at once", file=sys.stderr)

"""One training step and one validation step, for Lightning's trainer.

    image → encoder → mean, logvar → z → decoder → image: likelihood and KL
    mean + (flipped labels - labels) · directions → decoder → shifted image: the judge's doubt,
    and what the encoder no longer finds in it

The directions are the ridge regression of the batches seen so far, the same formula that the
exporter uses on the finished encoder: what is trained to work is what is served. Without labels
only the first line remains.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from training.batches import Batch, to_unit
from training.directions import RunningDirections
from training.flips import flipped
from training.judge import disturb
from training.models import VAE, Latent
from training.objective import kl_divergence, reconstruction_nll

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.judge import Judge
    from training.presets import Preset

FIRST_SHIFT = 0.02
"""What shifts count for while the KL warms up: next to nothing can be shifted then."""


FAILURE_DECAY = 0.98
"""Of the running share of failed shifts, for each batch."""


class VAEModule(LightningModule):
    """A VAE with its objective and optimiser."""

    pixel_weights: Tensor
    label_rows: Tensor

    def __init__(
        self,
        preset: Preset,
        *,
        seed: int,
        pixel_weights: Tensor,
        label_rows: Tensor,
        judge: Judge | None,
        steps_per_epoch: int,
    ) -> None:
        """A fresh network for ``preset``.

        Args:
            preset: The recipe.
            seed: Of every random number of a step; each step has numbers of its own.
            pixel_weights: float [H, W], mean 1.
            label_rows: float [K, A], the label rows that occur in the data; A may be 0.
            judge: The frozen training judge; None without labels.
            steps_per_epoch: Optimiser steps in one epoch, for the schedules.
        """
        super().__init__()
        image = preset.image
        self.preset, self.seed, self.steps_per_epoch = preset, seed, steps_per_epoch
        self.network = VAE(
            channels=image.channels,
            size=image.height,
            widths=preset.widths,
            residual=preset.residual,
            latent=preset.latent,
        )
        self.judge = judge
        self.moments = RunningDirections(label_rows.shape[1], preset.latent)
        self.register_buffer("pixel_weights", pixel_weights)
        self.register_buffer("label_rows", label_rows)
        # How often a shift of each attribute fails; no parameter, so not averaged with them.
        self.failures = torch.ones(label_rows.shape[1])
        # Kept out of the module's registry: they are the same parameters, compiled.
        self._encode: list[Callable[[Tensor], Latent]] = [self.network.encoder]
        self._decode: list[Callable[[Tensor], Tensor]] = [self.network.decoder]

    def compile_networks(self) -> None:
        """Train through `torch.compile`: same numbers up to rounding, less time, slow start."""
        self._encode = [torch.compile(self.network.encoder)]
        self._decode = [torch.compile(self.network.decoder)]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The objective in nats per value, scalar."""
        preset, step = self.preset, self.global_step
        generator = torch.Generator().manual_seed(_mix(self.seed, step, self.global_rank))
        pixels, labels = batch
        image = to_unit(pixels)
        latent = self._encode[0](image)
        noise = torch.randn(latent.mean.shape, generator=generator).to(image)
        drawn = latent.draw(noise)
        epochs = step / self.steps_per_epoch
        kl = kl_divergence(latent).mean()
        kl_scale = min(1.0, (epochs + 0.05) / max(preset.kl_warm_up_epochs, 0.05))
        shifting = self.judge is not None and preset.shift_weight > 0
        if not shifting:
            reconstruction = self._decode[0](drawn)
            extra = torch.zeros((), device=image.device)
        else:
            self.moments.update(labels, latent.mean.detach())
            count = max(1, int(preset.shift_share * len(image)))
            attribute = self._choose(count, generator)
            target, moved = self._shift(latent.mean[:count], labels[:count], attribute, generator)
            # One pass for both, so that batch statistics are those of what the decoder will see.
            decoded = self._decode[0](torch.cat((drawn, moved)))
            reconstruction, shifted = decoded[: len(drawn)], decoded[len(drawn) :]
            late = epochs - preset.kl_warm_up_epochs
            whole = preset.shift_warm_up_epochs
            ramp = min(1.0, max(FIRST_SHIFT, late / whole)) if whole else 1.0
            extra = ramp * self._shift_loss(shifted, moved, target, attribute, generator)
        nll = reconstruction_nll(
            image,
            reconstruction,
            pixel_weights=self.pixel_weights,
            features=self._features(image, reconstruction),
            feature_weight=preset.feature_weight,
        )
        loss = (nll + kl_scale * kl + extra) / image[0].numel()
        self.log_dict(
            {"train/nll": nll, "train/kl": kl, "train/shift": extra, "train/loss": loss},
            on_step=False,
            on_epoch=True,
            batch_size=len(image),
        )
        self.log("kl", kl, prog_bar=True, logger=False)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Rate and distortion on held-out images; by the judge, what stays and what flips."""
        pixels, labels = batch
        image = to_unit(pixels)
        latent = self.network.encoder(image)
        reconstruction = self.network.decoder(latent.mean)
        mse = (reconstruction - image).square().mean(dim=(1, 2, 3))
        generator = torch.Generator().manual_seed(_mix(self.seed, batch_idx, 0))
        noise = torch.randn(latent.mean.shape, generator=generator).to(image)
        drawn = self.network.decoder(latent.draw(noise))
        metrics = {
            "val/psnr": (-10.0 * mse.log10()).mean(),
            "val/mse": mse.mean(),
            "val/drawn_mse": (drawn - image).square().mean(),
            "val/kl": kl_divergence(latent).mean(),
        }
        if self.judge is not None and self.preset.shift_weight > 0:
            attribute = torch.randint(0, labels.shape[1], (len(image),), generator=generator)
            target, moved = self._shift(latent.mean, labels, attribute, generator)
            logits = self.judge(self.network.decoder(moved))
            right = ((logits > 0) == (target > 0.5)).float()  # noqa: PLR2004
            metrics["val/shift_right"] = right.mean()
            kept = ((self.judge(reconstruction) > 0) == (labels > 0.5)).float()  # noqa: PLR2004
            metrics["val/attributes_kept"] = kept.mean()
        self.log_dict(metrics, batch_size=len(image), sync_dist=True)
        self.log("psnr", metrics["val/psnr"], prog_bar=True, logger=False, batch_size=len(image))

    def configure_optimizers(self) -> Any:  # noqa: ANN401  (Lightning's union of configurations)
        """AdamW with linear warm-up and a cosine to nearly zero, stepped after each batch."""
        preset = self.preset
        optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=preset.learning_rate, weight_decay=preset.weight_decay
        )
        total = preset.epochs * self.steps_per_epoch
        warm_up = min(preset.warm_up_steps, total // 10)

        def rate(step: int) -> float:
            if step < warm_up:
                return (step + 1) / warm_up
            progress = min(1.0, (step - warm_up) / max(1, total - warm_up))
            return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _features(self, image: Tensor, reconstruction: Tensor) -> list[tuple[Tensor, Tensor]]:
        if self.judge is None or self.preset.feature_weight == 0.0:
            return []
        with torch.no_grad():
            true = self.judge.features(image)
        return list(zip(true, self.judge.features(reconstruction), strict=True))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook."""
        checkpoint["failures"] = self.failures

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook."""
        self.failures = checkpoint.get("failures", self.failures)

    def _choose(self, count: int, generator: torch.Generator) -> Tensor:
        """The attribute to flip in each of ``count`` rows, int64 [count]."""
        attributes, focus = len(self.failures), self.preset.shift_focus
        if focus == 0.0:
            return torch.randint(0, attributes, (count,), generator=generator)
        by_failure = self.failures / self.failures.sum().clamp_min(1e-6)
        chances = (1.0 - focus) / attributes + focus * by_failure + 1e-6
        return torch.multinomial(chances, count, replacement=True, generator=generator)

    def _shift(
        self, mean: Tensor, labels: Tensor, attribute: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Labels with ``attribute`` flipped [B, A], and the means moved there [B, L]."""
        rows, count = self.label_rows, len(mean)
        tie_break = torch.rand((count, len(rows)), generator=generator).to(mean)
        target = flipped(labels, attribute.to(mean.device), rows, tie_break)
        with torch.autocast(mean.device.type, enabled=False):
            return target, mean + (target - labels) @ self.moments.directions()

    def _shift_loss(
        self,
        shifted: Tensor,
        moved: Tensor,
        target: Tensor,
        attribute: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        if self.judge is None:
            raise RuntimeError("a shift is judged, but there is no judge")
        logits = self.judge(disturb(shifted, generator))
        failed = ((logits > 0) != (target > 0.5)).float().cpu()  # noqa: PLR2004
        self._count_failures(failed.gather(1, attribute[:, None])[:, 0], attribute)
        doubt = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(1).mean()
        # Statistics of generated images must not enter those of the encoder's normalisation.
        self.network.encoder.eval()
        found = self.network.encoder(shifted).mean
        self.network.encoder.train()
        lost = 0.5 * (found - moved).square().sum(1).mean()
        cost: Tensor = self.preset.shift_weight * doubt + self.preset.cycle_weight * lost
        return cost

    @torch.no_grad()
    def _count_failures(self, failed: Tensor, attribute: Tensor) -> None:
        """Take in whether each flip of ``attribute`` int64 [B] failed, float [B]."""
        times = torch.bincount(attribute, minlength=len(self.failures))
        share = torch.bincount(attribute, failed, len(self.failures)) / times.clamp_min(1)
        seen = times > 0
        self.failures[seen] += (1.0 - FAILURE_DECAY) * (share - self.failures)[seen].float()


def _mix(*numbers: int) -> int:
    """One seed out of several numbers, so that neighbours share nothing."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 0x9E3779B97F4A7C15 + number + 0x632BE59BD9B4E019) % (1 << 63)
    return mixed

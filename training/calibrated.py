"""Training by the calibrated objective, with labels also by what shifts must do.

    image → encoder → mean, logvar → z → decoder → image: likelihood and KL
    mean + strengths · directions (`training.moves`) → decoder → shifted image: the judge's doubt,
    and what the encoder no longer finds in it

The directions are the ridge regression of the batches seen so far, the same formula that the
exporter uses on the finished encoder: what is trained to work is what is served. Without labels
only the first line remains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.directions import RunningDirections
from training.judge import disturb
from training.judged import seen
from training.label_losses import label_losses
from training.module import VAEModule, Watched
from training.moves import draw_moves
from training.objective import kl_divergence, reconstruction_nll
from training.processes import Processes

if TYPE_CHECKING:
    from training.batches import Batch
    from training.draws import Draws
    from training.judge import Judge
    from training.moves import Moves
    from training.presets import Preset

FIRST_SHIFT = 0.02
"""What shifts count for while the KL warms up: next to nothing can be shifted then."""

FAILURE_DECAY = 0.98
"""Of the running share of failed shifts, for each batch."""

TYPICAL_DECAY = 0.98
"""Of the judge's running mean logits, for each batch."""

TOLERATED_SHORTFALL = 0.2
"""A shift that lacks more of the usual answer than this part of the gap counts as failed."""


class CalibratedModule(VAEModule):
    """A network, the calibrated objective, and with labels the judge and the directions so far."""

    pixel_weights: Tensor
    label_rows: Tensor
    typical: Tensor

    def __init__(
        self,
        preset: Preset,
        *,
        seed: int,
        pixel_weights: Tensor,
        label_rows: Tensor,
        judge: Judge | None,
        steps_per_epoch: int,
        processes: Processes = Processes(),  # noqa: B008  (frozen)
    ) -> None:
        """A fresh network for ``preset``.

        Args:
            preset: The recipe.
            seed: Of every random number of a step; each step has numbers of its own.
            pixel_weights: float [H, W], mean 1.
            label_rows: float [K, A], the label rows that occur in the data; A may be 0.
            judge: The frozen training judge; None without labels.
            steps_per_epoch: Optimiser steps in one epoch, for the schedules.
            processes: That train together; moments and σ are those of the whole batch.
        """
        super().__init__(preset, seed=seed, steps_per_epoch=steps_per_epoch, processes=processes)
        self.judge = judge
        self.moments = RunningDirections(label_rows.shape[1], preset.latent)
        self.label_losses = label_losses(preset, label_rows.shape[1])
        self.register_buffer("pixel_weights", pixel_weights)
        self.register_buffer("label_rows", label_rows)
        # The judge's mean logits on real images without [0] and with [1] each attribute.
        self.register_buffer("typical", torch.zeros(2, label_rows.shape[1]))
        # How often a shift of each attribute fails; no parameter, so not averaged with them.
        self.failures = torch.ones(label_rows.shape[1])

    def known_shifts(self) -> tuple[Tensor, Tensor] | None:
        """Of the batches so far; None without labels."""
        if not self.label_rows.shape[1]:
            return None
        return self.moments.directions(), self.label_rows

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The objective in nats per value, scalar."""
        preset, step = self.preset, self.global_step
        draws = self.draws(step)
        pixels, labels = batch
        image = self.training_images(pixels, draws)
        latent = self._encode[0](image)
        drawn = self.draw(latent, draws)
        epochs = step / self.steps_per_epoch
        kl = kl_divergence(latent).mean()
        kl_scale = min(1.0, (epochs + 0.05) / max(preset.kl_warm_up_epochs, 0.05))
        shifting = self.judge is not None and preset.shift_weight > 0
        if not shifting:
            reconstruction = self._decode[0](drawn)
            extra = torch.zeros((), device=image.device)
        else:
            self.moments.update(labels, latent.mean.detach(), pool=self.processes.mean)
            count = max(1, int(preset.shift_share * len(image)))
            attribute = self._choose(count, draws)
            moves = draw_moves(labels[:count], attribute.to(image.device), self.label_rows, draws)
            moved, place = self._shift(latent.mean[:count], moves)
            # One pass for both, so that batch statistics are those of what the decoder will see.
            decoded = self._decode[0](torch.cat((drawn, moved)))
            reconstruction, shifted = decoded[: len(drawn)], decoded[len(drawn) :]
            late = epochs - preset.kl_warm_up_epochs
            whole = preset.shift_warm_up_epochs
            ramp = min(1.0, max(FIRST_SHIFT, late / whole)) if whole else 1.0
            self._note_typical(image[:count], labels[:count], draws)
            extra = ramp * self._shift_loss(shifted, place, moves, attribute, draws)
        nll = reconstruction_nll(
            image,
            reconstruction,
            pixel_weights=self.pixel_weights,
            features=self._features(image, reconstruction),
            feature_weight=preset.feature_weight,
            pool=self.processes.pooled,
        )
        terms = {"train/nll": nll, "train/kl": kl, "train/shift": extra}
        if self.label_losses is not None:
            terms["train/labels"] = self.label_losses(latent.mean, labels)
            extra = extra + terms["train/labels"]
        loss = (nll + kl_scale * kl + extra) / image[0].numel()
        self.log_dict(
            {**terms, "train/loss": loss},
            on_step=False,
            on_epoch=True,
            sync_dist=True,
            batch_size=len(image),
        )
        self.log("kl", kl, prog_bar=True, logger=False)
        return loss

    def learnt(self) -> list[nn.Parameter]:
        """Those of the network, and of a head on the labels if there is one."""
        head = [] if self.label_losses is None else list(self.label_losses.parameters())
        return [*super().learnt(), *head]

    def further_figures(self, watched: Watched) -> dict[str, Tensor]:
        """By the judge: which shifts work, which attributes the reconstruction keeps."""
        if self.judge is None or self.preset.shift_weight == 0.0:
            return {}
        labels, draws = watched.labels, watched.draws
        attribute = draws.integers(labels.shape[1], len(labels))
        moves = draw_moves(labels, attribute.to(labels.device), self.label_rows, draws)
        logits = self.judge(self.network.decoder(self._shift(watched.latent.mean, moves)[0]))
        right = ((logits > 0) == (moves.target > 0.5)).float()  # noqa: PLR2004  (labels are 0 or 1)
        kept = ((self.judge(watched.reconstruction) > 0) == (labels > 0.5)).float()  # noqa: PLR2004  (labels are 0 or 1)
        return {"val/shift_right": right.mean(), "val/attributes_kept": kept.mean()}

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

    def _choose(self, count: int, draws: Draws) -> Tensor:
        """The attribute to flip in each of ``count`` rows, int64 [count]."""
        attributes, focus = len(self.failures), self.preset.shift_focus
        if focus == 0.0:
            return draws.integers(attributes, count)
        by_failure = self.failures / self.failures.sum().clamp_min(1e-6)
        chances = (1.0 - focus) / attributes + focus * by_failure + 1e-6
        return draws.choices(chances, count)

    def _shift(self, mean: Tensor, moves: Moves) -> tuple[Tensor, Tensor]:
        """The means [B, L] moved, and where the encoder should find them again."""
        with torch.autocast(mean.device.type, enabled=False):
            directions = self.moments.directions()
            return mean + moves.strengths @ directions, mean + moves.place @ directions

    def _shift_loss(
        self,
        shifted: Tensor,
        place: Tensor,
        moves: Moves,
        attribute: Tensor,
        draws: Draws,
    ) -> Tensor:
        if self.judge is None:
            raise RuntimeError("a shift is judged, but there is no judge")
        target = moves.target
        logits = self.judge(disturb(seen(shifted), draws))
        short = self._shortfall(logits, moves, attribute.to(logits.device))
        wrong = ((logits > 0) != (target > 0.5)).gather(1, attribute[:, None].to(logits.device))  # noqa: PLR2004  (labels are 0 or 1)
        failed = wrong[:, 0] | (short > TOLERATED_SHORTFALL)
        self._count_failures(failed.float().cpu(), attribute)
        doubt = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(1).mean()
        # Statistics of generated images must not enter those of the encoder's normalisation.
        self.network.encoder.eval()
        found = self.network.encoder(shifted).mean
        self.network.encoder.train()
        lost = 0.5 * ((found - place).square().sum(1) * moves.placed).mean()
        preset, extent = self.preset, short.square().mean()
        cost: Tensor = preset.shift_weight * (doubt + preset.extent_weight * extent)
        return cost.add(lost, alpha=preset.cycle_weight)

    def _shortfall(self, logits: Tensor, moves: Moves, attribute: Tensor) -> Tensor:
        """What moves by 1 lack of the judge's usual answer, in parts of its gap, float [B].

        A judge is soon sure, and then asks for no more; its usual answer to real images does.
        """
        mine = attribute[:, None]
        after = moves.target.gather(1, mine)[:, 0]
        usual = self.typical.T[attribute].gather(1, after.long()[:, None])[:, 0]
        gap = (self.typical[1] - self.typical[0]).clamp_min(1.0)[attribute]
        lacking = (2.0 * after - 1.0) * (usual - logits.gather(1, mine)[:, 0]) / gap
        return lacking.clamp_min(0.0) * moves.placed

    @torch.no_grad()
    def _note_typical(self, image: Tensor, labels: Tensor, draws: Draws) -> None:
        """Take in the judge's logits on real images, disturbed as the shifted ones are."""
        if self.judge is None:
            raise RuntimeError("real images are judged, but there is no judge")
        logits = self.judge(disturb(seen(image), draws))
        for row, there in enumerate((1.0 - labels, labels)):
            count = self.processes.mean(there.sum(dim=0))
            summed = self.processes.mean((logits * there).sum(dim=0))
            mean = summed / count.clamp_min(1e-6)
            # The first batches count in full; a mean of nothing must not be forgotten to.
            rate = torch.where(self.typical[row] == 0, 1.0, 1.0 - TYPICAL_DECAY) * (count > 0)
            self.typical[row] += rate * (mean - self.typical[row])

    @torch.no_grad()
    def _count_failures(self, failed: Tensor, attribute: Tensor) -> None:
        """Take in whether each flip of ``attribute`` int64 [B] failed, float [B]."""
        attributes = len(self.failures)
        times = self.processes.mean(torch.bincount(attribute, minlength=attributes).float())
        failures = self.processes.mean(torch.bincount(attribute, failed, attributes).float())
        seen = times > 0
        share = failures[seen] / times[seen]
        self.failures[seen] += (1.0 - FAILURE_DECAY) * (share - self.failures[seen])

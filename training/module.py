"""What every training run shares, for Lightning's trainer: network, validation, optimiser.

    image → encoder → mean, logvar → z → decoder → image

The training step is that of the objective: `training.calibrated` or `training.textbook`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from lightning.pytorch import LightningModule

from training.augment import Augmentation, augment
from training.batches import Batch, to_unit
from training.draws import Draws, mix
from training.models import build_network
from training.objective import kl_divergence
from training.optimisers import configure
from training.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from training.models import Latent
    from training.presets import Preset


class Watched(NamedTuple):
    """A validation batch and what the network makes of it.

    Attributes:
        image: float [B, C, H, W] in [0, 1].
        labels: float [B, A].
        latent: Of the images.
        reconstruction: Decoded from the mean.
        drawn: Decoded from a draw; the reconstruction again for a plain autoencoder.
        draws: Further random numbers of this batch.
    """

    image: Tensor
    labels: Tensor
    latent: Latent
    reconstruction: Tensor
    drawn: Tensor
    draws: Draws


class VAEModule(LightningModule):
    """A network with its objective and optimiser."""

    def __init__(
        self,
        preset: Preset,
        *,
        seed: int,
        steps_per_epoch: int,
        processes: Processes = Processes(),  # noqa: B008  (frozen)
    ) -> None:
        """A fresh network for ``preset``.

        Args:
            preset: The recipe.
            seed: Of every random number of a step; each step has numbers of its own.
            steps_per_epoch: Optimiser steps in one epoch, for the schedules.
            processes: That train together.
        """
        super().__init__()
        self.preset, self.seed, self.steps_per_epoch = preset, seed, steps_per_epoch
        self.processes = processes
        self.network = build_network(preset)
        # Kept out of the module's registry: they are the same parameters, compiled.
        self._encode: list[Callable[[Tensor], Latent]] = [self.network.encoder]
        self._decode: list[Callable[[Tensor], Tensor]] = [self.network.decoder]

    def compile_networks(self) -> None:
        """Train through `torch.compile`: same numbers up to rounding, less time, slow start."""
        self._encode = [torch.compile(self.network.encoder)]
        self._decode = [torch.compile(self.network.decoder)]

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss to be minimised, scalar."""

    def known_shifts(self) -> tuple[Tensor, Tensor] | None:
        """Directions float [A, L] so far, and the label rows that occur, float [K, A].

        None without labels, and where the objective does not look at them.
        """
        return None

    def training_images(self, pixels: Tensor, draws: Draws) -> Tensor:
        """uint8 [B, C, H, W] → float in [0, 1], varied as the preset says."""
        image = to_unit(pixels)
        options = self.preset.augment
        return image if options == Augmentation() else augment(image, options, draws)

    def draw(self, latent: Latent, draws: Draws) -> Tensor:
        """The latents that the decoder is trained on, float [B, L]."""
        if latent.logvar is None:
            return latent.mean
        return latent.draw(draws.normal(*latent.mean.shape).to(latent.mean))

    def draws(self, number: int) -> Draws:
        """The random numbers of step ``number``, as far as they are this process's."""
        processes = self.processes
        return Draws(mix(self.seed, number, 0), part=processes.rank, parts=processes.count)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Rate and distortion on the images that are watched, and what the objective adds."""
        pixels, labels = batch
        image = to_unit(pixels)
        latent = self.network.encoder(image)
        reconstruction = self.network.decoder(latent.mean)
        mse = (reconstruction - image).square().mean(dim=(1, 2, 3))
        draws = self.draws(batch_idx)
        figures = {"val/psnr": (-10.0 * mse.log10()).mean(), "val/mse": mse.mean()}
        drawn = reconstruction
        if latent.logvar is not None:
            drawn = self.network.decoder(self.draw(latent, draws))
            figures["val/drawn_mse"] = (drawn - image).square().mean()
            figures["val/kl"] = kl_divergence(latent).mean()
        figures |= self.further_figures(
            Watched(image, labels, latent, reconstruction, drawn, draws)
        )
        # Parts may differ by an image. Lightning averages their sizes to a whole number, so each
        # is counted times the number of parts: their mean is then the number of all images.
        weight = len(image) * self.processes.count
        self.log_dict(figures, batch_size=weight, sync_dist=True)
        self.log(
            "psnr",
            figures["val/psnr"],
            prog_bar=True,
            logger=False,
            batch_size=weight,
            sync_dist=True,
        )

    @abstractmethod
    def further_figures(self, watched: Watched) -> dict[str, Tensor]:
        """Figures of this objective on one batch, each a scalar, named ``val/…``."""

    def learnt(self) -> list[nn.Parameter]:
        """What the optimiser moves."""
        return list(self.network.parameters())

    def configure_optimizers(self) -> Any:  # noqa: ANN401  (Lightning's union of configurations)
        """Lightning's hook: `training.optimisers` has them."""
        steps = self.preset.epochs * self.steps_per_epoch
        return configure(self.preset, self.learnt(), steps)

"""Training as a text-book prints it: a weighted sum of reconstruction error and KL.

    image → encoder → z → decoder → cross-entropy or squared error; mean, logvar → KL
    weights of `training.presets.TextbookLoss` → the loss, in the book's own unit

Logged for training and validation, all per image:

- ``nll``: nats; of cross-entropy its sum over the image, of squared error the Gaussian likelihood
  at its best σ, the figure that `training.calibrated` logs under this name. ``kl``: nats.
- ``book_reconstruction``, ``book_kl``, ``book_loss``: both terms with the book's weights, and their
  sum: what the book prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.module import VAEModule, Watched
from training.objective import calibrated_nll, cross_entropy, kl_divergence, squared_error
from training.processes import Processes

if TYPE_CHECKING:
    from torch import Tensor

    from training.batches import Batch
    from training.draws import Draws
    from training.models import Latent
    from training.presets import Preset
    from training.textbook_loss import TextbookLoss


class TextbookModule(VAEModule):
    """A network with the loss of its book."""

    def __init__(
        self,
        preset: Preset,
        textbook: TextbookLoss,
        *,
        seed: int,
        steps_per_epoch: int,
        processes: Processes = Processes(),  # noqa: B008  (frozen)
    ) -> None:
        """A fresh network for ``preset``, to be trained by ``textbook``."""
        super().__init__(preset, seed=seed, steps_per_epoch=steps_per_epoch, processes=processes)
        self.textbook = textbook

    def draw(self, latent: Latent, draws: Draws) -> Tensor:
        """As everywhere; or with the printed mistake mean + exp(logvar) · noise."""
        if self.preset.printed_mistake and latent.logvar is not None:
            # Twice the logvar, where half of it is the exponent.
            latent = latent._replace(logvar=2.0 * latent.logvar)
        return super().draw(latent, draws)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The book's loss, scalar."""
        pixels, _ = batch
        draws = self.draws(self.global_step)
        image = self.training_images(pixels, draws)
        latent = self._encode[0](image)
        reconstruction = self._decode[0](self.draw(latent, draws))
        figures = self._figures(image, latent, reconstruction)
        loss = figures["book_loss"]
        if self.textbook.batch == "sum":
            # Gradients of several processes are averaged, so each counts for the whole batch.
            loss = loss * len(image) * self.processes.count
        self.log_dict(
            {f"train/{name}": value for name, value in figures.items()},
            on_step=False,
            on_epoch=True,
            sync_dist=True,
            batch_size=len(image),
        )
        return loss

    def further_figures(self, watched: Watched) -> dict[str, Tensor]:
        """The same figures as in training, from the same kind of draw."""
        figures = self._figures(watched.image, watched.latent, watched.drawn)
        return {f"val/{name}": value for name, value in figures.items()}

    def _figures(self, image: Tensor, latent: Latent, decoded: Tensor) -> dict[str, Tensor]:
        book = self.textbook
        if book.reconstruction == "bce":
            error = cross_entropy(image, decoded).mean()
            nll = error
        else:
            error = squared_error(image, decoded).mean()
            values = image[0].numel()
            nll = calibrated_nll(self.processes.mean(error) / values, values)
        weighted = book.reconstruction_weight * error
        if latent.logvar is None:
            return {"nll": nll, "book_reconstruction": weighted, "book_loss": weighted}
        kl = kl_divergence(latent).mean()
        weighted_kl = book.kl_weight * kl
        return {
            "nll": nll,
            "kl": kl,
            "book_reconstruction": weighted,
            "book_kl": weighted_kl,
            "book_loss": weighted + weighted_kl,
        }

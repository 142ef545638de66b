"""The tables of the model card: rows of text out of figures.

facts, evaluation → rows of cells → Markdown; every figure with the unit it is read in
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bundle.manifest import AttributeSpec, Parity
    from export.describe import Facts
    from training.evaluation.bootstrap import Estimate
    from training.evaluation.fidelity import Ladder
    from training.evaluation.quality import ShiftQuality
    from training.evaluation.result import Evaluation

Row = tuple[str, ...]


def table(head: Sequence[str], rows: Iterable[Row]) -> str:
    """A Markdown table, first column to the left, the others to the right; ends in a new line."""
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def figure_rows(facts: Facts, evaluation: Evaluation | None) -> Iterator[Row]:
    """Reconstruction, rate and latents; with an evaluation also likelihood and sharpness."""
    metrics, latents = facts.training.metrics, facts.config.preset.latent
    yield "images", f"{metrics['images']:.0f}"
    yield "reconstruction, PSNR per image, averaged", f"{metrics['psnr']:.2f} dB"
    yield "reconstruction, mean squared error of values in [0, 1]", f"{metrics['mse']:.5f}"
    if evaluation is not None:
        rebuilt = evaluation.reconstruction
        if rebuilt.ssim is not None:
            yield "reconstruction, SSIM", _with_interval(rebuilt.ssim)
        yield "sharpness, edge energy relative to the originals", _with_interval(rebuilt.sharpness)
    if "kl" in metrics:
        yield "rate, KL to N(0, I)", f"{metrics['kl']:.1f} nats"
    if evaluation is not None and evaluation.likelihood is not None:
        likelihood = evaluation.likelihood
        yield "negative log-likelihood, at most", f"{likelihood.bits_per_value:.3f} bits per value"
        yield (
            f"the same with {likelihood.tight_draws} draws, {likelihood.tight_images} images",
            f"{likelihood.tight_bits_per_value:.3f} bits per value",
        )
    yield "active latents", f"{metrics['active_units']:.0f} of {latents}"
    yield "worst difference of the graphs from the network", _worst(facts.parity)


def attribute_rows(
    attributes: Sequence[AttributeSpec], shifts: Sequence[ShiftQuality]
) -> Iterator[Row]:
    """One row for each attribute, both in the same order."""
    for attribute, shift in zip(attributes, shifts, strict=True):
        shares = (
            *(shift.judged, shift.kept, shift.flip_of_ceiling, shift.removed, shift.calibration),
            *(shift.leakage_mean, shift.monotone, shift.retrieval),
        )
        low, high = attribute.useful_range
        yield (
            attribute.name + (" (unseen)" if attribute.unseen else ""),
            attribute.direction + (f" × {attribute.scale:.2f}" if attribute.scale != 1.0 else ""),
            *(f"{share:.3f}" for share in shares),
            f"{low:g} to {high:g}",
        )


def ladder_rows(ladder: Ladder) -> Iterator[Row]:
    """One row for each set of images."""
    for rung in ladder.rungs:
        spread = f" ± {rung.frechet_spread:.2g}" if rung.frechet_spread else ""
        overlap = (rung.precision, rung.recall, rung.density, rung.coverage)
        yield (
            rung.name,
            f"{rung.frechet:.4g}{spread}",
            f"{rung.kernel:.4g}",
            *(f"{share:.3f}" for share in overlap),
        )


def _with_interval(figure: Estimate) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _worst(parity: Parity) -> str:
    relative = max(max(row.encoder_relative, row.decoder_relative) for row in parity.worst)
    levels = max(row.decoder_grey_levels for row in parity.worst)
    psnr = min((row.decoder_psnr for row in parity.worst if row.decoder_psnr), default=None)
    held_to_psnr = f", {psnr:.1f} dB" if psnr and parity.tolerance_psnr is not None else ""
    return f"{relative:.1e} relative, {levels} grey levels after rounding{held_to_psnr}"

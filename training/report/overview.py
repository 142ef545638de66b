"""The head of the report: what was trained on what, and how the losses went.

Material → tiles, facts, section "learning"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.evaluation.latents import ACTIVE_VARIANCE
from training.evaluation.reconstruction import decibels
from training.report.curves import last
from training.report.material import PART_NAMES
from training.report.parts import Fact, Figure, Note, Section
from training.report.plots import Curve, curves_plot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from training.report.curves import Series
    from training.report.material import Material

TITLES = {
    "loss": "objective",
    "book_loss": "total, as the book counts it",
    "nll": "reconstruction: nats per image",
    "book_reconstruction": "reconstruction, as the book counts it",
    "kl": "KL: nats per image",
    "book_kl": "KL, as the book counts it",
    "mse": "reconstruction: mean squared error",
    "drawn_mse": "mean squared error of draws",
    "psnr": "PSNR in dB (higher is better)",
    "shift": "what failed shifts cost",
    "shift_right": "shifted attributes that show",
    "attributes_kept": "attributes that survive",
}
"""What a logged metric is called, in the order shown; others follow under their own names."""
FINAL = ("val/book_loss", "val/nll", "val/mse", "val/kl", "val/psnr")
"""Worth telling in numbers as well."""


def tiles(material: Material) -> tuple[Fact, ...]:
    """The few numbers to read first."""
    errors = material.squared_errors
    found = [
        Fact(
            "PSNR",
            f"{decibels(errors).mean():.1f} dB",
            f"reconstructions of {len(errors)} {PART_NAMES[material.part]} images",
        )
    ]
    kl = material.figures.kl
    if kl is not None:
        found.append(Fact("KL", f"{kl.sum():.1f} nats", "per image, held in the latent"))
    found += [
        Fact(
            "active latents",
            f"{material.figures.active.sum()} of {material.latents}",
            f"their mean varies by more than {ACTIVE_VARIANCE}",
        ),
        Fact("parameters", grouped(material.parameters), "of encoder and decoder"),
    ]
    return tuple(found)


def facts(material: Material) -> tuple[Fact, ...]:
    """Everything that says which run this is."""
    config = material.config
    preset, image = config.preset, config.preset.image
    logged = max((series[-1][0] for series in material.curves.values()), default=0)
    found = {
        "preset": f"{preset.name}: {preset.summary}",
        "source": preset.source or "this project",
        "remark": (
            "keeps a mistake of the printed source on purpose" if preset.printed_mistake else ""
        ),
        "data set": config.dataset,
        "licence of the data": config.licence,
        "images": f"{grouped(config.images)}" + (", by --limit" if config.limit else ""),
        "image size": f"{image.height} × {image.width} × {image.channels}, crop “{image.crop}”",
        "learns from": preset.learns_from,
        "attributes": ", ".join(material.attributes) or "none",
        "latents": f"{material.latents}"
        + ("" if material.variational else ", plain autoencoder (no log-variance)"),
        "epochs": f"{int(logged)} of {preset.epochs}" if logged else f"{preset.epochs} planned",
        "batch": f"{preset.batch_size} images",
        "begun from": config.init or "",
        "trained": f"{material.finished:%Y-%m-%d %H:%M} UTC",
        "seed": f"{config.seed} (this page: {material.seed})",
        "torch": config.torch_version,
    }
    return tuple(Fact(name, value) for name, value in found.items() if value)


def learning(material: Material) -> Section:
    """The losses, epoch by epoch."""
    curves = material.curves
    chosen = [Curve(TITLES.get(name, name), lines) for name, lines in _by_metric(curves).items()]
    lead = (
        "What the training minimised, averaged over each epoch: training in blue, validation in "
        "orange and dashed."
    )
    if not chosen:
        note = Note("The run folder holds no log (logs/metrics.csv), so there is nothing to plot.")
        return Section("learning", "Learning", lead, (note,))
    caption = (
        "Look for curves that have become level, and for validation that follows training: a "
        "validation loss that turns upwards while training still falls is overfitting. "
        "Reconstruction and KL pull against each other, so read them together: a lower "
        "reconstruction loss alone may be bought with KL."
    )
    final = [
        f"{name.removeprefix('val/')} {value:.4g}"
        for name in FINAL
        if (value := last(curves, name)) is not None
    ]
    if final:
        caption += f" Last validation: {', '.join(final)}."
    figure = Figure(
        "Losses over epochs",
        curves_plot(chosen, "Losses over epochs, training and validation"),
        caption,
    )
    return Section("learning", "Learning", lead, (figure,))


def _by_metric(curves: Mapping[str, Series]) -> dict[str, dict[str, Series]]:
    """``train/kl`` and ``val/kl`` → ``kl`` with both; known metrics first, in their order."""
    found: dict[str, dict[str, Series]] = {}
    for prefix, shown in (("train/", "training"), ("val/", "validation")):
        for name, series in curves.items():
            if name.startswith(prefix):
                found.setdefault(name.removeprefix(prefix), {})[shown] = series
    known = [*TITLES]
    order = sorted(found, key=lambda name: known.index(name) if name in known else len(known))
    return {name: found[name] for name in order}


def grouped(number: int) -> str:
    """``1234567`` → ``1 234 567``, with narrow spaces that do not break."""
    return f"{number:,}".replace(",", "\u202f")

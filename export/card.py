"""The model card: what a person should know before using the bundle, as Markdown.

facts → text; nothing is measured here
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bundle.manifest import AttributeSpec, ImageSpec, Parity, Training
    from training.run import RunConfig

SUSPECT = 0.8
"""An attribute with less than this share added, removed or kept is named as a limit."""


def card(
    *,
    name: str,
    version: str,
    licence: str,
    config: RunConfig,
    training: Training,
    attributes: tuple[AttributeSpec, ...],
    parity: Parity,
) -> str:
    """The text of ``card.md``."""
    image, metrics = config.preset.image, training.metrics
    parts = [
        f"# {name}, version {version}\n",
        f"A variational autoencoder for images of {_size(image)}, with "
        f"{config.preset.latent} latents. Preset `{training.preset}`: {config.preset.summary}.\n",
        "![originals, reconstructions, samples, attributes](samples.png)\n",
        "Rows of the picture: held-out originals; their reconstructions; two rows drawn from the "
        "fitted prior; then one row for each attribute, in the order of the table: each pair of "
        "columns is one image without the attribute and with it.\n",
        "## Data and licence\n",
        f"{training.images} training images of `{training.dataset}`, {training.epochs} epochs. "
        f"{licence}.\n",
        "## Figures on held-out images\n",
        "| figure | value |\n|---|---|",
        f"| images | {metrics['images']:.0f} |",
        f"| reconstruction, PSNR per image, averaged | {metrics['psnr']:.2f} dB |",
        f"| reconstruction, mean squared error of values in [0, 1] | {metrics['mse']:.5f} |",
        f"| rate, KL to N(0, I) | {metrics['kl']:.1f} nats |",
        f"| active latents | {metrics['active_units']:.0f} of {config.preset.latent} |",
        f"| worst difference of the graphs from the network | {_worst(parity)} |\n",
    ]
    if attributes:
        parts += [
            "## Attributes\n",
            "Strength 1 is the difference between the mean latents without and with the attribute. "
            "All shares are the verdicts of a judge that training never met, on held-out images. "
            "*Judged*: balanced accuracy on real images, the most that the others can reach. "
            "*Kept*: the same on reconstructions. *Added* and *removed*: images that show it at "
            "strength 1, or no longer show it at -1. *Others*: verdicts on all other attributes "
            "that stay.\n",
            "| attribute | judged | kept | added | removed | others | useful range |",
            "|---|---|---|---|---|---|---|",
            *(_row(attribute) for attribute in attributes),
            "",
        ]
    parts += ["## Known limits\n", *(f"- {limit}" for limit in _limits(image, attributes)), ""]
    return "\n".join(parts)


def _row(attribute: AttributeSpec) -> str:
    figures = " | ".join(
        f"{attribute.quality[name]:.3f}"
        for name in ("judged", "kept", "added", "removed", "others_kept")
    )
    low, high = attribute.useful_range
    return f"| {attribute.name} | {figures} | {low:g} to {high:g} |"


def _limits(image: ImageSpec, attributes: tuple[AttributeSpec, ...]) -> list[str]:
    limits = [
        f"Every image becomes {_size(image)}: what is smaller than a pixel there is lost.",
        "The model knows only images like those it was trained on. Anything else is "
        "reconstructed as the nearest thing it knows.",
    ]
    weak = [
        attribute.name
        for attribute in attributes
        if min(attribute.quality[name] for name in ("kept", "added", "removed")) < SUSPECT
    ]
    if weak:
        limits.append(f"Weak attributes (a share below {SUSPECT}): {', '.join(weak)}.")
    return limits


def _size(image: ImageSpec) -> str:
    return f"{image.height} × {image.width} pixels, {'colour' if image.channels > 1 else 'grey'}"


def _worst(parity: Parity) -> str:
    relative = max(max(row.encoder_relative, row.decoder_relative) for row in parity.worst)
    levels = max(row.decoder_grey_levels for row in parity.worst)
    return f"{relative:.1e} relative, {levels} grey levels after rounding"

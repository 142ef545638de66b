"""The model card: what a person should know before using the bundle, as Markdown.

facts, evaluation → text; nothing is measured here
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from export.tables import attribute_rows, figure_rows, ladder_rows, table
from training.evaluation.quality import GATES, failed_gates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bundle.manifest import ImageSpec
    from export.describe import Facts
    from training.evaluation.classes import ClassShifts
    from training.evaluation.result import Evaluation

_PRECISIONS = {
    "int8": "Convolutions of {} compute in 8-bit integers: faster on a CPU, less exact than the "
    "trained network. All figures here were taken so.",
    "float16": "{} compute in 16-bit floats, which is for GPUs, within 2 grey levels of the "
    "trained network. All figures here were taken so.",
}


def card(facts: Facts, evaluation: Evaluation | None) -> str:
    """The text of ``card.md``; without an evaluation it says that nothing was measured."""
    preset, training = facts.config.preset, facts.training
    kind = "variational autoencoder" if facts.variational else "plain autoencoder"
    source = f" After {preset.source}." if preset.source else ""
    parts = [
        f"# {facts.name}, version {facts.version}\n",
        f"A {kind} for images of {_size(preset.image)}, with {preset.latent} latents. "
        f"Preset `{training.preset}`: {preset.summary}.{source}\n",
        "![originals, reconstructions, samples, attributes](samples.png)\n",
        "Rows of the picture: held-out originals; their reconstructions; two rows drawn from the "
        "fitted prior; then one row for each attribute, in the order of the table: each pair of "
        "columns is one image without the attribute and with it.\n",
        "## Data and licence\n",
        f"{training.images} training images of `{training.dataset}`, {training.epochs} epochs. "
        f"{facts.licence}.\n",
        "## Figures on held-out images\n",
        table(("figure", "value"), figure_rows(facts, evaluation)),
    ]
    if facts.attributes:
        parts += ["## Attributes\n", *_attributes(facts, evaluation)]
    if evaluation is not None:
        parts += ["## Samples\n", *_samples(evaluation)]
    limits = (f"- {limit}" for limit in _limits(facts, evaluation))
    return "\n".join([*parts, "## Known limits\n", *limits, ""])


def _attributes(facts: Facts, evaluation: Evaluation | None) -> Iterator[str]:
    yield (
        "Strength 1 is the difference between the mean latents without and with the attribute, in "
        "the reading that did best on validation images (*direction*), times what makes pictures "
        "close their gap there as judges see it.\n"
    )
    if evaluation is None or not evaluation.shifts:
        names = ", ".join(f"{a.name} ({a.positives} images)" for a in facts.attributes)
        yield f"Nothing was measured of {names}.\n"
        return
    yield (
        "All figures are the verdicts of two judges that training never met, the worse of both, "
        "on held-out images. *Judged*: balanced accuracy on real images, the most that others can "
        "reach. *Kept*: the same on reconstructions. *Added*: images without it that show it at "
        "strength 1, relative to the reconstructions that do. *Removed*: images with it that no "
        "longer show it at -1. *Closed*: part of the judged gap between both groups that "
        "strength 1 closes. *Leak*: what other attributes move, relative to that. *Monotone*: "
        "images that never show it less at a higher strength. *Itself*: images whose nearest "
        "reconstruction, beside the attribute, is still their own. *Range*: strengths at which the "
        "verdicts on other attributes stay.\n"
    )
    yield table(
        (
            "attribute",
            "direction",
            *("judged", "kept", "added", "removed", "closed", "leak", "monotone", "itself"),
            "range",
        ),
        attribute_rows(facts.attributes, evaluation.shifts),
    )
    failed = [(shift.name, failed_gates(shift)) for shift in evaluation.shifts]
    wanted = ", ".join(_gate(*gate) for gate in GATES)
    passed = sum(not gates for _, gates in failed)
    yield f"{passed} of {len(failed)} attributes have all that is wanted ({wanted}).\n"
    yield from (f"- {name}: {'; '.join(gates)}." for name, gates in failed if gates)
    if passed < len(failed):
        yield ""
    if evaluation.classes is not None:
        yield f"{_class_to_class(evaluation.classes)}\n"


def _class_to_class(found: ClassShifts) -> str:
    start, end = found.lowest_pair
    return (
        "Classes exclude each other: an image is made into another class by the difference of the "
        "two mean latents. Of what reconstructions allow, judges see the other class in "
        f"{found.flip_mean:.3f} on average over all pairs, in {found.flip_lowest:.3f} for the "
        f"worst ({start} to {end})."
    )


def _samples(evaluation: Evaluation) -> Iterator[str]:
    yield (
        "Distance of sets of images from as many held-out images, smaller is nearer: Fréchet (FD) "
        "and kernel (KID) distance in features of the first judge, and of a network of chance. No "
        "figure elsewhere compares with them. Training images are the floor, rebuilt ones what no "
        "prior can pass; reconstructions belong to the held-out images themselves. "
        "*Precision*: samples inside the manifold of the held-out images. "
        "*Coverage*: held-out images that samples come near to.\n"
    )
    for ladder in evaluation.ladders:
        columns = (f"FD-{ladder.extractor}", "KID", "precision", "recall", "density", "coverage")
        yield table((f"{ladder.images} images", *columns), ladder_rows(ladder))
        if not ladder.enough:
            yield (
                f"{ladder.images} images are few for {ladder.features} features: these FDs compare "
                "with each other only.\n"
            )


def _limits(facts: Facts, evaluation: Evaluation | None) -> Iterator[str]:
    preset = facts.config.preset
    yield f"Every image becomes {_size(preset.image)}: what is smaller than a pixel there is lost."
    yield (
        "The model knows only images like those it was trained on. Anything else is reconstructed "
        "as the nearest thing it knows."
    )
    for precision, text in _PRECISIONS.items():
        files = [file for file, found in sorted(facts.precisions.items()) if found == precision]
        if files:
            yield text.format(" and ".join(files))
    if not facts.variational:
        yield (
            "It is a plain autoencoder: it has no prior N(0, I) and no log-variance. Samples come "
            "from the prior that was fitted to its latents, and from no other."
        )
    if preset.learns_from == "all":
        yield "It learnt from every image of the set: no figure here is of images new to it."
    elif preset.learns_from != "train":
        yield "It learnt from validation images too; only the test images here are new to it."
    if evaluation is None:
        yield "Nothing but reconstruction was measured when it was exported."
        return
    if evaluation.options.quick:
        yield "Its figures were taken in a hurry, on few images."
    for left_out in evaluation.left_out:
        yield f"Not measured: {left_out.what}; {left_out.why}."


def _gate(name: str, least: float, most: float) -> str:
    if least == -float("inf"):
        return f"{name} at most {most:g}"
    return f"{name} at least {least:g}" if most == float("inf") else f"{name} {least:g} to {most:g}"


def _size(image: ImageSpec) -> str:
    return f"{image.height} × {image.width} pixels, {'colour' if image.channels > 1 else 'grey'}"

"""A training run becomes a model bundle.

run folder, its data → network → graphs, parity · means → directions, prior
held-out images → figures, quality → card, pictures → manifest → bundle, by one rename
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from bundle import Manifest, write_bundle
from bundle.manifest import (
    AttributeSpec,
    FileSpec,
    Graphs,
    GraphSpec,
    LatentSpec,
    TensorSpec,
    Training,
)
from bundle.store import pack_directions, sha256, versions
from export.card import card
from export.figures import encoder_means, held_out_figures
from export.graphs import OPSET, decoder_graph, encoder_graph
from export.parity import BATCH_SIZES, check_parity
from export.pictures import samples_picture, strip_picture
from export.prior import fit_prior
from export.quality import attribute_quality, reporting_judge
from training.data import Split, load
from training.directions import ridge_directions
from training.run import RunConfig, RunError, load_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from bundle.manifest import ImageSpec
    from export.quality import AttributeQuality

DOCUMENTS = ("card.md", "samples.png", "strip.png")
MAX_MEANS = 30_000
"""So many training images are enough for directions and prior."""
UNIT = "difference between the mean latents without and with it, other attributes held fixed"


class ExportError(ValueError):
    """The run cannot become a bundle; the message says why."""


@dataclass(frozen=True)
class ExportOptions:
    """What the caller decides.

    Attributes:
        version: None takes the next whole number.
        licence: Of the bundle; None takes the data's.
        seed: Of judge and prior.
        judge_steps: Batches that the reporting judge learns from.
    """

    version: str | None = None
    licence: str | None = None
    seed: int = 0
    judge_steps: int = 400


def export_run(
    run: Path,
    root: Path,
    data_path: Path | None,
    options: ExportOptions,
    say: Callable[[str], object],
) -> Path:
    """Export the run in folder ``run`` as ``root/<version>``.

    Args:
        run: From `training.run.train`.
        root: The model's folder; its name becomes the bundle's.
        data_path: The image set; None takes the one that the run was trained on.
        options: Version, licence, seed.
        say: Is told what is being done, a line at a time.

    Returns:
        The bundle's folder.

    Raises:
        ExportError: The data are not those of the run, or too few.
        RunError, DataError, BundleError, ParityError: As their names say.
    """
    config, module = load_network(run)
    network, image = module.network, config.preset.image
    say(f"reading {data_path or config.data}")
    data = load(data_path or Path(config.data), image, limit=config.limit)
    if data.attributes != config.attributes:
        raise ExportError(
            f"the data have attributes {data.attributes}, the run was trained with "
            f"{config.attributes}; give the folder it was trained on with --data"
        )
    training, test = data.part(Split.TRAIN), data.part(Split.TEST)
    if len(test) < max(BATCH_SIZES):
        raise ExportError(
            f"{data.name} has {len(test)} test images, but {max(BATCH_SIZES)} are needed"
        )
    say("writing the graphs and comparing them with the network")
    encoder = encoder_graph(network, image)
    decoder = decoder_graph(network, config.preset.latent)
    parity = check_parity(network, encoder, decoder, test.images, latent=config.preset.latent)
    say("fitting directions and prior")
    means = encoder_means(network, training, MAX_MEANS)
    directions = ridge_directions(training.labels[: len(means)], means)
    prior = fit_prior(means, seed=options.seed)
    say("measuring on held-out images")
    figures = held_out_figures(network, test)
    qualities: list[AttributeQuality] = []
    if data.attributes:
        seed = config.seed + 1000 + options.seed
        judge = reporting_judge(training, seed=seed, steps=options.judge_steps)
        qualities = attribute_quality(network, directions, judge, training, test)
    attributes = tuple(
        AttributeSpec(
            name=name,
            row=row,
            unit=UNIT,
            positives=int(training.labels[:, row].sum()),
            negatives=int((~training.labels[:, row]).sum()),
            useful_range=quality.useful_range,
            quality=quality.figures(),
        )
        for row, (name, quality) in enumerate(zip(data.attributes, qualities, strict=True))
    )
    files = {
        "encoder.onnx": _checked(encoder),
        "decoder.onnx": _checked(decoder),
        "directions.npz": pack_directions(directions, prior),
        "samples.png": samples_picture(network, test, directions, prior),
        "strip.png": strip_picture(network, test, directions),
    }
    version = options.version or _next_version(root)
    epochs = _epochs(config)
    facts = Training(
        preset=config.preset.name,
        dataset=data.name,
        images=len(training),
        epochs=epochs,
        metrics=figures,
    )
    licence = options.licence or config.licence
    text = card(
        name=root.name,
        version=version,
        licence=licence,
        config=config,
        training=facts,
        attributes=attributes,
        parity=parity,
    )
    files["card.md"] = text.encode()
    manifest = Manifest(
        name=root.name,
        version=version,
        created=datetime.now(UTC).replace(microsecond=0),
        licence=licence,
        provenance=(
            f"trained by latentserve, preset {config.preset.name}, seed {config.seed}, "
            f"torch {config.torch_version}, on {data.name}"
            + (", begun from the weights of an earlier run" if config.init else "")
        ),
        graphs=_graphs(files, image, config.preset.latent),
        image=image,
        latent=LatentSpec(dimension=config.preset.latent),
        attributes=attributes,
        directions=FileSpec(file="directions.npz", sha256=sha256(files["directions.npz"])),
        documents=tuple(FileSpec(file=name, sha256=sha256(files[name])) for name in DOCUMENTS),
        parity=parity,
        training=facts,
    )
    return write_bundle(root, manifest, files)


def _epochs(config: RunConfig) -> int:
    """Epochs of the run and of those it began from, as far as they are still there."""
    epochs = config.preset.epochs
    while config.init is not None:
        try:
            config = RunConfig.read(Path(config.init))
        except RunError:
            break
        epochs += config.preset.epochs
    return epochs


def _checked(model: onnx.ModelProto) -> bytes:
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _next_version(root: Path) -> str:
    present = [int(version.split(".")[0]) for version in versions(root)]
    return str(max(present, default=0) + 1)


def _graphs(files: dict[str, bytes], image: ImageSpec, latent: int) -> Graphs:
    pictures = TensorSpec(name="image", datatype="UINT8", shape=(-1, *image.shape))
    vectors = {
        name: TensorSpec(name=name, datatype="FP32", shape=(-1, latent))
        for name in ("mean", "logvar", "latent")
    }

    def graph(
        file: str, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
    ) -> GraphSpec:
        return GraphSpec(
            file=file, sha256=sha256(files[file]), opset=OPSET, inputs=inputs, outputs=outputs
        )

    return Graphs(
        encoder=graph("encoder.onnx", (pictures,), (vectors["mean"], vectors["logvar"])),
        decoder=graph("decoder.onnx", (vectors["latent"],), (pictures,)),
    )

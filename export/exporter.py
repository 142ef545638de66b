"""A training run becomes a model bundle.

run folder, its data → network → graphs, parity · means → prior, directions of each kind
in less than float32: reduced graphs, parity → all that follows is measured on these
validation images → the kind that serves each attribute best · test images → evaluation
→ card, pictures → manifest → bundle, by one rename; evaluation.json also into the run folder
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from bundle import write_bundle
from bundle.manifest import Training
from bundle.store import free_folder, pack_directions, versions
from export.card import card
from export.choose import ridge_alone
from export.describe import (
    DIRECTIONS,
    GRAPH_FILES,
    Facts,
    Identity,
    attribute_specs,
    epochs,
    manifest,
)
from export.figures import encoder_means, held_out_figures
from export.float16 import float16_graph, is_float16
from export.graph_model import GraphBytes, GraphModel
from export.graphs import decoder_graph, encoder_graph
from export.int8 import int8_graphs, is_int8
from export.measure import Parts, measure
from export.parity import BATCH_SIZES, check_near, check_parity, worst_of
from export.pictures import samples_picture, strip_picture
from export.prior import fit_prior
from export.served import served_network
from training.data import Split, load
from training.evaluation.evaluation import quiet, too_few
from training.evaluation.options import EvaluationOptions
from training.learnt import learnt_parts
from training.run import load_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bundle.manifest import Parity, Precision
    from training.data import Dataset
    from training.data.progress import Progress
    from training.models import Network
    from training.run import RunConfig

EVALUATION = "evaluation.json"
MAX_MEANS = 30_000
"""So many training images are enough for directions and prior."""
EVALUATE_COUNT = 1000
"""Test images that are looked at, unless told otherwise."""
JUDGE_STEPS = 300
JUDGE_SEED = 1000
"""Added to the seed of the run: the judge that trained the network had that one plus 1."""


class ExportError(ValueError):
    """The run cannot become a bundle; the message says why."""


@dataclass(frozen=True)
class ExportOptions:
    """What the caller decides.

    Attributes:
        version: None takes the next whole number.
        licence: Of the bundle; None takes the data's.
        seed: Of judges, prior and evaluation.
        judge_steps: Batches that each reporting judge learns from.
        evaluate_count: Test images that are evaluated; 0 measures no attribute, leaves every
            direction to ridge regression, and writes no ``evaluation.json``.
        quick: Look at less of everything that is measured.
        precision: What graphs compute in: int8 for convolutions on a CPU, float16 for a GPU. If
            less than float32, all figures are those of these graphs, and none is written into the
            run's folder, whose weights are float32.
    """

    version: str | None = None
    licence: str | None = None
    seed: int = 0
    judge_steps: int = JUDGE_STEPS
    evaluate_count: int = EVALUATE_COUNT
    quick: bool = False
    precision: Precision = "float32"


def export_run(
    run: Path,
    root: Path,
    data_path: Path | None,
    options: ExportOptions,
    say: Callable[[str], object],
    *,
    progress: Callable[[str], Progress] = quiet,
) -> Path:
    """Export the run in folder ``run`` as ``root/<version>``.

    Args:
        run: From `training.run.train`.
        root: The model's folder; its name becomes the bundle's.
        data_path: The image set; None takes the one that the run was trained on.
        options: Version, licence, seed, how much is measured.
        say: Is told what is being done, a line at a time.
        progress: Makes the progress of a part from its label.

    Returns:
        The bundle's folder.

    Raises:
        ExportError: The data are not those of the run, or too few.
        Int8Error: The graphs have nothing that int8 would make faster.
        RunError, DataError, BundleError, ParityError, EvaluationError: As their names say.
        pydantic.ValidationError: Name or version are not those of a bundle.
    """
    config, module = load_network(run)
    network = module.network
    evaluated = _evaluation_options(options, config.seed)
    version = options.version or _next_version(root)
    # What is refused is better known before minutes of measuring.
    Identity(name=root.name, version=version)
    free_folder(root, version)
    say(f"reading {data_path or config.data}")
    data = _data(config, data_path)
    parts = _parts(config, data)
    if evaluated is not None and (few := too_few(parts.training, parts.test)):
        say(f"nothing is measured: {few}")
        evaluated = None
    say("writing the graphs and comparing them with the network")
    encoder, decoder, parity = _graphs(network, config, parts.test)
    precision = options.precision
    if precision != "float32":
        say(f"making the graphs {precision} and comparing them with the network")
        encoder, decoder = _reduced(encoder, decoder, precision, parts.training)
        parity = check_near(network, encoder, decoder, _shown(parts.test), precision)
        say(f"{precision}: {_said_of(parity)}")
    files = {"encoder.onnx": _checked(encoder), "decoder.onnx": _checked(decoder)}
    model = GraphModel(GraphBytes(files["encoder.onnx"], files["decoder.onnx"]))
    if precision != "float32":
        network = served_network(model, variational=network.variational)
    say("fitting the prior")
    means = encoder_means(network, parts.training, MAX_MEANS)
    prior = fit_prior(means, seed=options.seed)
    labels = parts.training.labels
    if evaluated is None:
        choice, evaluation = ridge_alone(labels[: len(means)], means), None
    else:
        choice, evaluation = measure(
            model,
            parts,
            means,
            prior,
            options=evaluated,
            name=f"{root.name} {version}",
            say=say,
            progress=progress,
        )
        files[EVALUATION] = (evaluation.model_dump_json(indent=2) + "\n").encode()
    facts = Facts(
        name=root.name,
        version=version,
        licence=options.licence or config.licence,
        config=config,
        variational=network.variational,
        attributes=attribute_specs(
            data.attributes, labels, choice, evaluation.shifts if evaluation else ()
        ),
        parity=parity,
        training=Training(
            preset=config.preset.name,
            dataset=data.name,
            images=len(parts.training),
            epochs=epochs(config),
            metrics=held_out_figures(network, parts.test),
        ),
        evaluation=evaluation.summary() if evaluation else {},
        precisions={
            file: _precision(graph)
            for file, graph in zip(GRAPH_FILES, (encoder, decoder), strict=True)
        },
    )
    say("drawing the pictures and writing the bundle")
    files[DIRECTIONS] = pack_directions(choice.directions, prior)
    files["samples.png"] = samples_picture(network, parts.test, choice.directions, prior)
    files["strip.png"] = strip_picture(network, parts.test, choice.directions)
    files["card.md"] = card(facts, evaluation).encode()
    written = write_bundle(root, manifest(facts, files), files)
    if evaluation is not None and precision == "float32":
        (run / EVALUATION).write_bytes(files[EVALUATION])
    return written


def _evaluation_options(options: ExportOptions, seed: int) -> EvaluationOptions | None:
    if options.evaluate_count == 0:
        return None
    asked = EvaluationOptions(
        count=options.evaluate_count,
        seed=seed + JUDGE_SEED + options.seed,
        judge_steps=options.judge_steps,
    )
    return asked.cut_down() if options.quick else asked


def _data(config: RunConfig, path: Path | None) -> Dataset:
    where = path or Path(config.data)
    data = load(where, config.preset.image, limit=config.limit, cache=config.cache)
    if data.attributes != config.attributes:
        raise ExportError(
            f"the data have attributes {data.attributes}, the run was trained with "
            f"{config.attributes}; give the folder it was trained on with --data"
        )
    return data


def _parts(config: RunConfig, data: Dataset) -> Parts:
    """What was learnt, and the parts that choose and report."""
    test = data.part(Split.TEST)
    if not len(test):
        raise ExportError(
            f"none of the {len(data)} images of {data.name} is a test image; give more images"
        )
    return Parts(learnt_parts(config.preset, data)[0], data.part(Split.VALIDATION), test)


def _graphs(
    network: Network, config: RunConfig, test: Dataset
) -> tuple[onnx.ModelProto, onnx.ModelProto, Parity]:
    """Both graphs in floats, and how far they are from the network."""
    preset = config.preset
    encoder, decoder = encoder_graph(network, preset.image), decoder_graph(network, preset.latent)
    parity = check_parity(network, encoder, decoder, _shown(test), latent=preset.latent)
    return encoder, decoder, parity


def _reduced(
    encoder: onnx.ModelProto, decoder: onnx.ModelProto, precision: Precision, training: Dataset
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    if precision == "int8":
        return int8_graphs(encoder, decoder, training)
    return float16_graph(encoder), float16_graph(decoder)


def _precision(graph: onnx.ModelProto) -> Precision:
    if is_int8(graph):
        return "int8"
    return "float16" if is_float16(graph) else "float32"


def _shown(test: Dataset) -> NDArray[np.uint8]:
    """Test images for the largest batch of parity: uint8 [32, H, W, C]."""
    return np.asarray(test.images[np.arange(max(BATCH_SIZES)) % len(test)], np.uint8)


def _said_of(parity: Parity) -> str:
    """One line: the worst of all batch sizes."""
    relative, levels, psnr = worst_of(parity.worst)
    return (
        f"latents within {relative:.2g} of their largest, images at least {psnr:.1f} dB from the "
        f"network's and within {levels} grey levels"
    )


def _checked(model: onnx.ModelProto) -> bytes:
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _next_version(root: Path) -> str:
    present = [int(version.split(".")[0]) for version in versions(root)]
    return str(max(present, default=0) + 1)

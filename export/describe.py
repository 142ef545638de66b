"""What a bundle says of itself, put together: attributes, graphs, manifest.

run, data, choice, figures, files → `bundle.Manifest`; nothing is measured or written here
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from bundle import Manifest
from bundle.manifest import (
    AttributeSpec,
    FileSpec,
    Graphs,
    GraphSpec,
    LatentSpec,
    Name,
    Parity,
    Precision,
    TensorSpec,
    Training,
    Version,
)
from bundle.store import sha256
from export.graphs import OPSET
from training.run import RunConfig, RunError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bundle.manifest import DirectionKind
    from export.choose import Choice
    from training.evaluation.quality import ShiftQuality

UNITS: Mapping[DirectionKind, str] = {
    "mean": "difference between the mean latents without and with it",
    "ridge": "difference between the mean latents without and with it, other attributes held fixed",
    "lda": "difference between the mean latents without and with it, along the normal between them",
    "conditional": "difference between the mean latents without and with it, others left alone",
}
UNMEASURED_RANGE = (-1.0, 1.0)
GRAPH_FILES = ("encoder.onnx", "decoder.onnx")
DIRECTIONS = "directions.npz"


class Identity(BaseModel):
    """What a bundle may be called; to be asked before anything that takes time."""

    name: Name
    version: Version


@dataclass(frozen=True)
class Facts:
    """What is known of a model before it is written down.

    Attributes:
        name: Of the model.
        version: Of the bundle.
        licence: Of the bundle.
        config: Of the run.
        variational: Whether the encoder gives a logvar.
        attributes: From `attribute_specs`.
        parity: Graphs against network.
        training: Data, epochs and figures on held-out images.
        evaluation: Summary of the evaluation; empty where none was asked for.
        precisions: What the graphs of these files compute in; others in float32.
    """

    name: str
    version: str
    licence: str
    config: RunConfig
    variational: bool
    attributes: tuple[AttributeSpec, ...]
    parity: Parity
    training: Training
    evaluation: dict[str, float]
    precisions: Mapping[str, Precision] = field(default_factory=dict)


def attribute_specs(
    names: Sequence[str],
    labels: NDArray[np.bool_],
    choice: Choice,
    qualities: Sequence[ShiftQuality],
) -> tuple[AttributeSpec, ...]:
    """One entry for each attribute.

    Args:
        names: A names.
        labels: bool [N, A], of the training images.
        choice: The rows and their kinds.
        qualities: Figures of each attribute on test images; empty if none were taken.
    """
    return tuple(
        AttributeSpec(
            name=name,
            row=row,
            unit=UNITS[kind],
            positives=int(labels[:, row].sum()),
            negatives=int((~labels[:, row]).sum()),
            direction=kind,
            scale=choice.scales[row],
            useful_range=qualities[row].useful_range if qualities else UNMEASURED_RANGE,
            quality=qualities[row].figures() if qualities else {},
            unseen=qualities[row].unseen if qualities else "",
        )
        for row, (name, kind) in enumerate(zip(names, choice.kinds, strict=True))
    )


def manifest(facts: Facts, files: Mapping[str, bytes]) -> Manifest:
    """The manifest of ``files``: both graphs, the directions, and documents.

    Raises:
        pydantic.ValidationError: Name or version are not those of a bundle.
    """
    preset = facts.config.preset
    documents = [name for name in files if name not in (*GRAPH_FILES, DIRECTIONS)]
    return Manifest(
        name=facts.name,
        version=facts.version,
        created=datetime.now(UTC).replace(microsecond=0),
        licence=facts.licence,
        provenance=_provenance(facts.config),
        graphs=_graphs(facts, files),
        image=preset.image,
        latent=LatentSpec(dimension=preset.latent),
        attributes=facts.attributes,
        directions=FileSpec(file=DIRECTIONS, sha256=sha256(files[DIRECTIONS])),
        documents=tuple(FileSpec(file=name, sha256=sha256(files[name])) for name in documents),
        parity=facts.parity,
        training=facts.training,
        evaluation=facts.evaluation,
    )


def epochs(config: RunConfig) -> int:
    """Epochs of the run and of those it began from, as far as they are still there."""
    total = config.preset.epochs
    while config.init is not None:
        try:
            config = RunConfig.read(Path(config.init))
        except RunError:
            break
        total += config.preset.epochs
    return total


def _provenance(config: RunConfig) -> str:
    source = f" ({config.preset.source})" if config.preset.source else ""
    return (
        f"trained by latentserve, preset {config.preset.name}{source}, seed {config.seed}, "
        f"torch {config.torch_version}, on {config.dataset}"
        + (", begun from the weights of an earlier run" if config.init else "")
    )


def _graphs(facts: Facts, files: Mapping[str, bytes]) -> Graphs:
    preset = facts.config.preset
    pictures = TensorSpec(name="image", datatype="UINT8", shape=(-1, *preset.image.shape))
    mean, logvar, vector = (
        TensorSpec(name=name, datatype="FP32", shape=(-1, preset.latent))
        for name in ("mean", "logvar", "latent")
    )
    encoder, decoder = GRAPH_FILES
    return Graphs(
        encoder=GraphSpec(
            file=encoder,
            sha256=sha256(files[encoder]),
            opset=OPSET,
            precision=facts.precisions.get(encoder, "float32"),
            inputs=(pictures,),
            outputs=(mean, logvar) if facts.variational else (mean,),
        ),
        decoder=GraphSpec(
            file=decoder,
            sha256=sha256(files[decoder]),
            opset=OPSET,
            precision=facts.precisions.get(decoder, "float32"),
            inputs=(vector,),
            outputs=(pictures,),
        ),
    )

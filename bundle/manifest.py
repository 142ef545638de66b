"""The manifest: what a bundle says of itself, in one JSON document.

Tensor names, datatypes and shapes are in the words of the Open Inference Protocol, so that
a server can answer metadata requests from the manifest alone. Unknown fields are refused:
a manifest of a later schema is an error, never a guess.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Version = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9}){0,2}$")]
Datatype = Literal["UINT8", "FP32", "INT64"]
Precision = Literal["float32", "float16", "int8"]
DirectionKind = Literal["mean", "ridge", "lda", "conditional"]
"""How a direction was found; `training.directions` has the formulas."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorSpec(_Frozen):
    """One input or output of a graph; -1 stands for the batch axis."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]


class GraphSpec(_Frozen):
    """One ONNX file and its tensors.

    ``precision``: what its convolutions compute in; inputs and outputs are the same in each.
    """

    file: FileName
    sha256: Sha256
    opset: int
    precision: Precision = "float32"
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Graphs(_Frozen):
    """The two graphs: image → mean, logvar and latent → image."""

    encoder: GraphSpec
    decoder: GraphSpec


class ImageSpec(_Frozen):
    """The images that the encoder takes, and how any other image becomes one.

    ``crop``: ``centre`` cuts the largest centred window of the target's aspect, ``pad`` keeps
    everything and fills the rest with black, ``place`` does so without ever enlarging, ``squash``
    keeps everything and lets the aspect go (`bundle.geometry` has the numbers).
    """

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    channels: Literal[1, 3]
    resize: Literal["box", "bilinear", "bicubic", "lanczos"]
    crop: Literal["centre", "pad", "place", "squash"]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one image."""
        return self.height, self.width, self.channels


class LatentSpec(_Frozen):
    """The latent space: its dimension, and which of its values "encode" stands for."""

    dimension: int = Field(gt=0)
    encode_returns: Literal["mean"] = "mean"


class AttributeSpec(_Frozen):
    """One attribute: its row of the directions and what is known of its quality.

    Strength 1 moves the mean of the images without the attribute to the mean of those with it.
    ``direction`` says which reading of "the mean" served this attribute best on images that were
    not trained on; bundles that do not say have ``ridge``. ``scale`` is what it was multiplied by
    so that judges see the pictures' gap closed at strength 1, not only the latents'. ``unseen``
    says why the figures should not be believed, where judges cannot see the attribute. Without
    figures nothing was measured, and the range is -1 to 1.
    """

    name: str
    row: int = Field(ge=0)
    unit: str
    positives: int = Field(ge=0)
    negatives: int = Field(ge=0)
    direction: DirectionKind = "ridge"
    scale: float = Field(default=1.0, gt=0)
    useful_range: tuple[float, float]
    quality: dict[str, float]
    unseen: str = ""


class FileSpec(_Frozen):
    """A file of the bundle beside its graphs."""

    file: FileName
    sha256: Sha256


class ParityRow(_Frozen):
    """The worst difference between the graphs and the trained network at one batch size.

    ``decoder_psnr``: of the image that differs most, in dB, 100 where none differs; bundles that
    are older do not say.
    """

    batch: int = Field(gt=0)
    encoder_relative: float
    decoder_relative: float
    decoder_grey_levels: int
    decoder_psnr: float | None = None


class Parity(_Frozen):
    """How far the graphs may differ from the trained network, and how far they do.

    Where ``tolerance_psnr`` (dB, at least) is stated, it is what the decoder's images are held to:
    graphs in int8 may differ by ``tolerance_relative`` in the encoder alone, and a single pixel
    by any number of grey levels.
    """

    tolerance_relative: float
    tolerance_grey_levels: int
    tolerance_psnr: float | None = None
    worst: tuple[ParityRow, ...]


class Training(_Frozen):
    """Where the weights come from: the preset, the data and the figures on held-out images."""

    preset: str
    dataset: str
    images: int = Field(ge=0)
    epochs: int = Field(ge=0)
    metrics: dict[str, float]


class Manifest(_Frozen):
    """The whole description of a bundle (``manifest.json``)."""

    schema_version: Literal[1] = 1
    name: Name
    version: Version
    created: datetime
    licence: str
    provenance: str
    graphs: Graphs
    image: ImageSpec
    latent: LatentSpec
    attributes: tuple[AttributeSpec, ...]
    directions: FileSpec
    documents: tuple[FileSpec, ...]
    parity: Parity
    training: Training
    evaluation: dict[str, float] = Field(
        default_factory=dict, description="The summary of evaluation.json, one number a name."
    )

    @property
    def variational(self) -> bool:
        """Whether the encoder says how sure it is (``logvar``); a plain autoencoder does not."""
        return any(output.name == "logvar" for output in self.graphs.encoder.outputs)

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        image = TensorSpec(name="image", datatype="UINT8", shape=(-1, *self.image.shape))
        latent_shape = (-1, self.latent.dimension)
        latent = TensorSpec(name="latent", datatype="FP32", shape=latent_shape)
        mean = TensorSpec(name="mean", datatype="FP32", shape=latent_shape)
        expected = [
            ("encoder input", self.graphs.encoder.inputs[:1], (image,)),
            ("first encoder output", self.graphs.encoder.outputs[:1], (mean,)),
            ("decoder input", self.graphs.decoder.inputs, (latent,)),
            ("decoder output", self.graphs.decoder.outputs, (image,)),
        ]
        for what, found, wanted in expected:
            if found != wanted:
                raise ValueError(f"{what} is {found}, but image and latent call for {wanted}")
        rows = [attribute.row for attribute in self.attributes]
        if rows != list(range(len(rows))):
            raise ValueError(f"attribute rows are {rows}, but must count up from 0")
        names = [attribute.name for attribute in self.attributes]
        if len(set(names)) != len(names):
            raise ValueError(f"attribute names repeat: {names}")
        return self

"""A model bundle small enough to write in a test, whose answers can be worked out by hand.

    image uint8 [N, H, W, C] → mean grey level of each of L horizontal bands → mean [N, L]
    latent [N, L] → one grey level for each band → image uint8 [N, H, W, C]

1. Latent l stands for band l alone: z = 4 · (grey / 255 - 1/2), and back.
2. Both matrix products are exact (sums of whole numbers, one factor per pixel), so the bits of an
   answer cannot depend on the batch that it rode in.
3. An image that has one grey level in each band is its own reconstruction.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bundle.manifest import (
    AttributeSpec,
    FileSpec,
    Graphs,
    GraphSpec,
    ImageSpec,
    LatentSpec,
    Manifest,
    Parity,
    ParityRow,
    TensorSpec,
    Training,
)
from bundle.prior import Prior
from bundle.store import pack_directions, sha256, write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

OPSET = 17
LOGVAR = -4.0
"""What the encoder answers for every log-variance."""
LATENTS_PER_UNIT = 4.0
"""Latents from black (-2) to white (+2)."""
ATTRIBUTES = ("glasses", "smile")
_TOIL_WIDTH = 1448  # its square is two million


def write_tiny_bundle(
    root: Path,
    *,
    height: int = 16,
    width: int = 16,
    channels: Literal[1, 3] = 3,
    latent: int = 4,
    name: str = "tiny",
    version: str = "1",
    crop: Literal["centre", "pad", "place", "squash"] = "centre",
    variational: bool = True,
    toil: int = 0,
) -> Path:
    """Write a valid bundle to ``root/<version>`` and return that folder."""
    manifest, files = tiny_bundle_content(
        height=height,
        width=width,
        channels=channels,
        latent=latent,
        name=name,
        version=version,
        crop=crop,
        variational=variational,
        toil=toil,
    )
    return write_bundle(root, manifest, files)


def tiny_bundle_content(
    *,
    height: int = 16,
    width: int = 16,
    channels: Literal[1, 3] = 3,
    latent: int = 4,
    name: str = "tiny",
    version: str = "1",
    crop: Literal["centre", "pad", "place", "squash"] = "centre",
    variational: bool = True,
    toil: int = 0,
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the files of the tiny bundle, before they are written.

    A bundle that is not ``variational`` is that of a plain autoencoder: it has no ``logvar``.
    ``toil`` slows the decoder: for each image so often two million products with zero, which
    change no answer.
    """
    shape = (height, width, channels)
    files = {
        "encoder.onnx": _encoder(shape, latent, variational=variational),
        "decoder.onnx": _decoder(shape, latent, toil),
        "directions.npz": pack_directions(tiny_directions(latent), tiny_prior(latent)),
        "card.md": b"# tiny\n\nA bundle for tests.\n",
    }
    image = TensorSpec(name="image", datatype="UINT8", shape=(-1, *shape))
    vector = {
        word: TensorSpec(name=word, datatype="FP32", shape=(-1, latent))
        for word in ("mean", "logvar", "latent")
    }
    manifest = Manifest(
        name=name,
        version=version,
        created=datetime(2025, 1, 1, tzinfo=UTC),
        licence="Apache-2.0",
        provenance="written by a test",
        graphs=Graphs(
            encoder=GraphSpec(
                file="encoder.onnx",
                sha256=sha256(files["encoder.onnx"]),
                opset=OPSET,
                inputs=(image,),
                outputs=(vector["mean"], vector["logvar"]) if variational else (vector["mean"],),
            ),
            decoder=GraphSpec(
                file="decoder.onnx",
                sha256=sha256(files["decoder.onnx"]),
                opset=OPSET,
                inputs=(vector["latent"],),
                outputs=(image,),
            ),
        ),
        image=ImageSpec(
            height=height, width=width, channels=channels, resize="bilinear", crop=crop
        ),
        latent=LatentSpec(dimension=latent),
        attributes=tuple(
            AttributeSpec(
                name=attribute,
                row=row,
                unit="distance between the means of the two groups",
                positives=50,
                negatives=50,
                useful_range=(-2.0, 2.0),
                quality={"auc": 0.9},
            )
            for row, attribute in enumerate(ATTRIBUTES)
        ),
        directions=FileSpec(file="directions.npz", sha256=sha256(files["directions.npz"])),
        documents=(FileSpec(file="card.md", sha256=sha256(files["card.md"])),),
        parity=Parity(
            tolerance_relative=1e-5,
            tolerance_grey_levels=1,
            worst=(
                ParityRow(
                    batch=1, encoder_relative=0.0, decoder_relative=0.0, decoder_grey_levels=0
                ),
            ),
        ),
        training=Training(
            preset="tiny", dataset="none", images=0, epochs=0, metrics={"psnr_db": 20.0}
        ),
    )
    return manifest, files


def tiny_directions(latent: int) -> NDArray[np.float32]:
    """float32 [2, L]: "glasses" brightens the top band, "smile" tilts from top to bottom."""
    rows = np.zeros((len(ATTRIBUTES), latent), np.float32)
    rows[0, 0] = 1.0
    rows[1] = np.linspace(-0.7, 0.7, latent, dtype=np.float32)
    return rows


def tiny_prior(latent: int) -> Prior:
    """Two components, a dark and a bright one, with correlated latents."""
    lower = np.tril(np.full((latent, latent), 0.1, np.float32)) + 0.3 * np.eye(latent)
    return Prior(
        weights=np.array([0.25, 0.75], np.float32),
        means=np.stack([np.full(latent, -0.8), np.full(latent, 0.6)]).astype(np.float32),
        cholesky=np.stack([lower, 0.5 * lower]).astype(np.float32),
    )


def banded_image(
    levels: list[int], *, height: int = 16, width: int = 16, channels: int = 3
) -> NDArray[np.uint8]:
    """uint8 [H, W, C] with grey level ``levels[l]`` in band l: its own reconstruction."""
    rows = np.asarray(levels, np.uint8)[_bands(height, len(levels))]
    return np.broadcast_to(rows[:, None, None], (height, width, channels)).copy()


def _bands(height: int, latent: int) -> NDArray[np.int64]:
    """[H]: the band that each row of pixels belongs to; every band has a row."""
    if latent > height:
        raise ValueError(f"{latent} latents need as many rows of pixels, the image has {height}")
    return np.arange(height) * latent // height


def _membership(shape: tuple[int, int, int], latent: int) -> NDArray[np.float32]:
    """float32 [H·W·C, L]: 1 where the value lies in the band."""
    height, width, channels = shape
    return np.repeat(np.eye(latent, dtype=np.float32)[_bands(height, latent)], width * channels, 0)


def _encoder(shape: tuple[int, int, int], latent: int, *, variational: bool) -> bytes:
    member = _membership(shape, latent)
    constants = {
        "flat": np.array([-1, member.shape[0]], np.int64),
        "member": member,
        "scale": (LATENTS_PER_UNIT / 255.0 / member.sum(axis=0)).astype(np.float32),
        "centre": np.float32(LATENTS_PER_UNIT / 2),
        "zero": np.float32(0),
        "constant_logvar": np.float32(LOGVAR),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["levels", "flat"], ["values"]),
        helper.make_node("MatMul", ["values", "member"], ["sums"]),
        helper.make_node("Mul", ["sums", "scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "centre"], ["mean"]),
    ]
    outputs = [_vector("mean", latent)]
    if variational:
        nodes += [
            helper.make_node("Mul", ["mean", "zero"], ["zeros"]),
            helper.make_node("Add", ["zeros", "constant_logvar"], ["logvar"]),
        ]
        outputs.append(_vector("logvar", latent))
    pixels = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *shape])
    return _model("encoder", nodes, [pixels], outputs, constants)


def _decoder(shape: tuple[int, int, int], latent: int, toil: int) -> bytes:
    constants: dict[str, Any] = {
        "member": np.ascontiguousarray(_membership(shape, latent).T),
        "scale": np.float32(255 / LATENTS_PER_UNIT),
        "half": np.float32(127.5),
        "black": np.float32(0),
        "white": np.float32(255),
        "picture": np.array([-1, *shape], np.int64),
    }
    nodes, wanted = [], "latent"
    if toil:
        constants |= {
            "widen": np.zeros((latent, _TOIL_WIDTH), np.float32),
            "turn": np.zeros((_TOIL_WIDTH, _TOIL_WIDTH), np.float32),
            "narrow": np.zeros((_TOIL_WIDTH, latent), np.float32),
        }
        turns = [
            helper.make_node("MatMul", [f"turned_{n}", "turn"], [f"turned_{n + 1}"])
            for n in range(toil)
        ]
        nodes = [
            helper.make_node("MatMul", ["latent", "widen"], ["turned_0"]),
            *turns,
            helper.make_node("MatMul", [f"turned_{toil}", "narrow"], ["nothing"]),
            helper.make_node("Add", ["latent", "nothing"], ["weary"]),
        ]
        wanted = "weary"
    nodes += [
        helper.make_node("MatMul", [wanted, "member"], ["spread"]),
        helper.make_node("Mul", ["spread", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "half"], ["levels"]),
        helper.make_node("Clip", ["levels", "black", "white"], ["clipped"]),
        helper.make_node("Round", ["clipped"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Reshape", ["bytes", "picture"], ["image"]),
    ]
    pixels = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *shape])
    return _model("decoder", nodes, [_vector("latent", latent)], [pixels], constants)


def _vector(name: str, latent: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", latent])


def _model(
    name: str,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, Any],
) -> bytes:
    initializers = [
        numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()
    ]
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=initializers)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9, producer_name="tests"
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())

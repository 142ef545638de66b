"""What a right answer looks like: pure functions on bytes and arrays.

    body, the model's facts, the same answer got alone → nothing, or WrongAnswer with the reason

1. A picture decodes to its last row and has the model's size.
2. Numbers are rows of L, finite, and those that the same request got alone.
3. The same seed gives the same bytes; other pictures may differ by one grey level, since a GPU
   may add in another order.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

GREY_LEVELS = 1
RELATIVE = 1e-3
_PNG_END = b"IEND\xaeB`\x82"
_IMAGE_AXES = 4
_ROW_AXES = 2


class WrongAnswer(ValueError):  # noqa: N818  (what it is; the suffix would say nothing)
    """The answer is not what the contract says."""


@dataclass(frozen=True)
class ModelFacts:
    """What ``GET /v1/model`` and ``GET /v1/attributes`` say of the model."""

    name: str
    version: str
    height: int
    width: int
    channels: int
    latent: int
    attributes: tuple[str, ...]
    max_items: int = 256

    @classmethod
    def from_answer(cls, body: bytes) -> ModelFacts:
        """Read the answer of ``GET /v1/model``.

        Raises:
            WrongAnswer: A field is missing or no number.
        """
        try:
            said: dict[str, Any] = json.loads(body)
            return cls(
                name=str(said["name"]),
                version=str(said["version"]),
                height=int(said["image"]["height"]),
                width=int(said["image"]["width"]),
                channels=int(said["image"]["channels"]),
                latent=int(said["latent"]["dimension"]),
                attributes=tuple(map(str, said["attributes"])),
                max_items=int(said.get("limits", {}).get("max_items", cls.max_items)),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise WrongAnswer(f"/v1/model lacks what a client needs: {error!r}") from error


def read_picture(body: bytes, model: ModelFacts) -> NDArray[np.uint8]:
    """The pixels uint8 [H, W, C] of a PNG.

    Raises:
        WrongAnswer: It is no whole PNG of the model's size.
    """
    # Pillow forgives a file that lacks its end if all rows can be made out; a client would not.
    if not body.endswith(_PNG_END):
        raise WrongAnswer(f"{len(body)} bytes are no whole PNG: the end is missing")
    try:
        with Image.open(io.BytesIO(body), formats=["PNG"]) as image:
            pixels = np.asarray(image.convert("L" if model.channels == 1 else "RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise WrongAnswer(f"{len(body)} bytes are no whole PNG: {error}") from error
    if pixels.shape[:2] != (model.height, model.width):
        height, width = pixels.shape[:2]
        raise WrongAnswer(
            f"the picture is {height} × {width}, the model says {model.height} × {model.width}"
        )
    return pixels.reshape(model.height, model.width, model.channels)


def check_images(images: NDArray[Any], model: ModelFacts) -> None:
    """Refuse an array that is not uint8 [N, H, W, C] of the model's size, N at least 1.

    Raises:
        WrongAnswer: It is not.
    """
    size = (model.height, model.width, model.channels)
    if images.dtype != np.uint8 or images.ndim != _IMAGE_AXES or images.shape[1:] != size:
        raise WrongAnswer(
            f"pictures are {images.dtype} {images.shape}, the model says uint8 [N, *{size}]"
        )
    if not len(images):
        raise WrongAnswer("an answer without pictures")


def check_rows(name: str, rows: NDArray[Any], model: ModelFacts) -> None:
    """Refuse an array that is not finite numbers [N, L], N at least 1.

    Raises:
        WrongAnswer: It is not.
    """
    if rows.ndim != _ROW_AXES or rows.shape[1] != model.latent or not len(rows):
        raise WrongAnswer(f"{name} is {rows.shape}, the model says [N, {model.latent}]")
    if not np.isfinite(rows).all():
        raise WrongAnswer(f"{name} holds numbers that are not finite")


def compare(
    found: Mapping[str, NDArray[Any]], wanted: Mapping[str, NDArray[Any]], than: str
) -> None:
    """Refuse arrays that differ from those of the same name, as far as both have them.

    Args:
        found: Arrays by name.
        wanted: Those that they should be.
        than: What ``wanted`` is, for the message.

    Raises:
        WrongAnswer: An array differs, or none has its match.
    """
    names = [name for name in found if name in wanted]
    if not names:
        raise WrongAnswer(f"has {', '.join(found)}, {than} has {', '.join(wanted)}")
    for name in names:
        if found[name].shape != wanted[name].shape:
            raise WrongAnswer(f"{name} is {found[name].shape}, {than} {wanted[name].shape}")
        if name == "image":
            worst = int(np.abs(found[name].astype(np.int16) - wanted[name]).max())
            if worst > GREY_LEVELS:
                raise WrongAnswer(f"differs by {worst} grey levels from {than}")
        elif not np.allclose(found[name], wanted[name], RELATIVE, RELATIVE):
            worst_by = float(np.abs(found[name] - wanted[name]).max())
            raise WrongAnswer(f"the {name} differs by {worst_by:g} from {than}")

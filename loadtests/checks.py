"""What a right answer looks like: pure functions on bytes.

    body, the model's facts, the same answer got alone → nothing, or WrongAnswer with the reason

1. A picture decodes to its last row and has the model's size.
2. An encoding has L finite numbers, and those that the same picture gave alone.
3. The same seed gives the same bytes; other pictures may differ by one grey level, since a GPU
   may add in another order.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["encoding", "picture", "seeded picture"]
GREY_LEVELS = 1
RELATIVE = 1e-3
_PNG_END = b"IEND\xaeB`\x82"


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


def read_rows(body: bytes, field: str, model: ModelFacts) -> NDArray[np.float64]:
    """The rows of numbers [N, L] in a field of a JSON answer.

    Raises:
        WrongAnswer: The field is missing, or not rows of L finite numbers.
    """
    try:
        rows = np.array(json.loads(body)[field], np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise WrongAnswer(f"no rows of numbers in the field {field!r}: {error!r}") from error
    if rows.ndim != 2 or rows.shape[1] != model.latent or not len(rows):  # noqa: PLR2004  (rows, columns)
        raise WrongAnswer(f"{field} is {rows.shape}, the model says [N, {model.latent}]")
    if not np.isfinite(rows).all():
        raise WrongAnswer(f"{field} holds numbers that are not finite")
    return rows


def check_close(found: NDArray[np.uint8], wanted: NDArray[np.uint8], levels: int) -> None:
    """Refuse pictures that differ by more than ``levels`` grey levels anywhere.

    Raises:
        WrongAnswer: They do.
    """
    worst = int(np.abs(found.astype(np.int16) - wanted).max())
    if worst > levels:
        raise WrongAnswer(f"differs by {worst} grey levels from the same request made alone")


def check(kind: Kind, body: bytes, alone: bytes, model: ModelFacts) -> None:
    """Hold the answer ``body`` against the one that the same request got alone.

    ``alone`` was looked at in full when it was made, so equal bytes are right at once: the check
    must not take the processor from the server that it measures.

    Raises:
        WrongAnswer: It is not a right answer, or another one than alone.
    """
    if body == alone:
        return
    if kind == "encoding":
        found, wanted = read_rows(body, "mean", model), read_rows(alone, "mean", model)
        if found.shape != wanted.shape or not np.allclose(found, wanted, RELATIVE, RELATIVE):
            raise WrongAnswer("the mean is another than that of the same picture encoded alone")
        read_rows(body, "logvar", model)
        return
    pixels = read_picture(body, model)
    if kind == "seeded picture":
        raise WrongAnswer("the same seed gave other bytes than alone")
    check_close(pixels, read_picture(alone, model), GREY_LEVELS)

"""Drawn faces: any number of colour portraits whose every attribute is known exactly.

seed, index → `Face` (the factors of one portrait) → SVG → uint8 [H, W, 3]

The artwork is the style "Avataaars" by Pablo Stanley (free for personal and commercial use),
drawn by DiceBear (MIT). The head is cut out as a portrait photographer would, so that glasses
and mouths take up the pixels that matter. Faces are drawn as nature has them: a beard has the
hair's colour, a hat goes with the shirt, frames are dark. Everything else is independent, so
that one attribute can be changed with all others held fixed: `with_attribute` gives the true
counterfactual, which a shift in the latent space can be measured against.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import resvg_py
from dicebear import Avatar, Style
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

LICENCE = (
    "Drawings: Avataaars by Pablo Stanley, free for personal and commercial use; "
    "drawn by DiceBear (MIT)"
)

Colour = tuple[int, int, int]
T = TypeVar("T")

HAIR: dict[str, Colour] = {
    "black": (44, 27, 24),
    "dark_brown": (74, 49, 44),
    "brown": (114, 65, 51),
    "auburn": (178, 74, 38),
    "blond": (222, 188, 116),
}
SKIN: dict[str, Colour] = {
    "deep": (108, 75, 60),
    "brown": (148, 92, 62),
    "tan": (214, 150, 102),
    "light": (237, 185, 138),
    "pale": (255, 219, 180),
}
CLOTHES: tuple[Colour, ...] = (
    (38, 46, 51),
    (81, 153, 228),
    (37, 85, 124),
    (146, 149, 152),
    (229, 92, 92),
    (167, 225, 196),
    (255, 205, 120),
)
BACKGROUNDS: tuple[Colour, ...] = (
    (217, 228, 238),
    (238, 228, 217),
    (222, 236, 222),
    (232, 222, 238),
    (244, 244, 244),
)
SHORT_HAIR = ("shortFlat", "shortRound", "shortWaved", "shortCurly", "theCaesar", "sides")
LONG_HAIR = ("bob", "straight01", "straight02", "curvy", "longButNotTooLong")
HATS = ("winterHat03",)
GLASSES = ("prescription01", "prescription02")
SUNGLASSES = ("wayfarers", "sunglasses")
BEARDS = ("beardMedium", "beardLight")
SMILES = ("smile",)
OTHER_MOUTHS = ("serious", "sad", "disbelief")
EYES = ("default", "happy", "surprised", "side", "squint")
EYEBROWS = ("defaultNatural", "raisedExcitedNatural", "flatNatural", "sadConcernedNatural")
GARMENTS = ("shirtCrewNeck", "shirtVNeck", "hoodie", "collarAndSweater", "blazerAndShirt")
FRAME: Colour = (38, 46, 51)

# The window of the 280 × 280 drawing that becomes the portrait: left, top, side.
WINDOW = (38, 6, 204)


@dataclass(frozen=True)
class Face:
    """The factors of one portrait. ``accessory``, ``beard`` and ``hat`` are None where absent.

    ``hair`` stays known under a hat, so that taking the hat off is well defined.
    """

    hair: str
    hair_colour: str
    hat: str | None
    skin: str
    accessory: str | None
    beard: str | None
    mouth: str
    eyes: str
    eyebrows: str
    garment: str
    garment_colour: Colour
    background: Colour
    shade: tuple[int, int, int, int]
    mirrored: bool


def random_face(seed: int, index: int) -> Face:
    """Face number ``index`` of the set ``seed``: the same on every machine."""
    digest = hashlib.sha256(f"face {seed} {index}".encode()).digest()
    rng = np.random.default_rng(np.frombuffer(digest, np.uint32))

    def pick(options: Iterable[T]) -> T:
        choices = list(options)
        return choices[int(rng.integers(len(choices)))]

    def chance(probability: float) -> bool:
        return bool(rng.random() < probability)

    return Face(
        hair=pick(LONG_HAIR if chance(0.45) else SHORT_HAIR),
        hair_colour="blond" if chance(0.3) else pick(name for name in HAIR if name != "blond"),
        hat=pick(HATS) if chance(0.3) else None,
        skin=pick(SKIN),
        accessory=pick(GLASSES) if chance(0.35) else (pick(SUNGLASSES) if chance(0.35) else None),
        beard=pick(BEARDS) if chance(0.35) else None,
        mouth=pick(SMILES if chance(0.5) else OTHER_MOUTHS),
        eyes=pick(EYES),
        eyebrows=pick(EYEBROWS),
        garment=pick(GARMENTS),
        garment_colour=pick(CLOTHES),
        background=pick(BACKGROUNDS),
        shade=tuple(int(v) for v in rng.integers(-8, 9, size=4)),  # type: ignore[arg-type]  # four
        mirrored=chance(0.5),
    )


ATTRIBUTES = (
    "glasses",
    "sunglasses",
    "hat",
    "beard",
    "smile",
    "long_hair",
    "blond_hair",
    "dark_skin",
)


def labels(face: Face) -> tuple[bool, ...]:
    """The truth of each of `ATTRIBUTES`, as it can be seen: hair under a hat has no colour."""
    bare = face.hat is None
    return (
        face.accessory in GLASSES,
        face.accessory in SUNGLASSES,
        not bare,
        face.beard is not None,
        face.mouth in SMILES,
        bare and face.hair in LONG_HAIR,
        face.hair_colour == "blond" and (bare or face.beard is not None),
        face.skin in ("deep", "brown"),
    )


def with_attribute(face: Face, attribute: str, *, present: bool) -> Face:
    """The same face with one attribute set, everything else as it was.

    Where several drawings show the attribute, the first is taken.

    Raises:
        ValueError: There is no such attribute.
    """
    changes: dict[str, dict[bool, dict[str, Any]]] = {
        "glasses": {True: {"accessory": GLASSES[0]}, False: {"accessory": None}},
        "sunglasses": {True: {"accessory": SUNGLASSES[0]}, False: {"accessory": None}},
        "hat": {True: {"hat": HATS[0]}, False: {"hat": None}},
        "beard": {True: {"beard": BEARDS[0]}, False: {"beard": None}},
        "smile": {True: {"mouth": SMILES[0]}, False: {"mouth": OTHER_MOUTHS[0]}},
        "long_hair": {True: {"hair": LONG_HAIR[0]}, False: {"hair": SHORT_HAIR[0]}},
        "blond_hair": {True: {"hair_colour": "blond"}, False: {"hair_colour": "brown"}},
        "dark_skin": {True: {"skin": "brown"}, False: {"skin": "light"}},
    }
    if attribute not in changes:
        raise ValueError(f"no attribute {attribute!r}; the drawings have {', '.join(ATTRIBUTES)}")
    return replace(face, **changes[attribute][present])


def draw(face: Face, size: int) -> NDArray[np.uint8]:
    """The portrait as uint8 [size, size, 3]."""
    left, top, side = WINDOW
    svg = Avatar(_style(), _options(face)).to_string()
    whole = 'viewBox="0 0 280 280"'
    if svg.count(whole) != 1:
        raise RuntimeError("the drawing has no single 280 × 280 view box; check dicebear's version")
    # The background is painted in the drawing's own coordinates and covers the window.
    svg = svg.replace(whole, f'viewBox="{left} {top} {side} {side}"')
    png = resvg_py.svg_to_bytes(svg_string=svg, width=2 * size, height=2 * size)
    with Image.open(io.BytesIO(bytes(png))) as drawing:
        image = drawing.convert("RGB").resize((size, size), Image.Resampling.BOX)
    pixels = np.asarray(image, dtype=np.uint8)
    return np.ascontiguousarray(pixels[:, ::-1]) if face.mirrored else pixels


@cache
def _style() -> Style:
    definition = files("dicebear_styles").joinpath("avataaars.json").read_text("utf-8")
    return Style(json.loads(definition))


def _options(face: Face) -> dict[str, Any]:
    hair = _tint(HAIR[face.hair_colour], face.shade[0])
    garment = _tint(face.garment_colour, face.shade[2])
    return {
        "seed": "latentserve",
        "backgroundColor": [_tint(face.background, face.shade[3])],
        "topVariant": face.hat or face.hair,
        "topProbability": 100,
        "hairColor": [hair],
        "hatColor": [garment],
        "skinColor": [_tint(SKIN[face.skin], face.shade[1])],
        "accessoriesVariant": face.accessory or GLASSES[0],
        "accessoriesProbability": 100 if face.accessory else 0,
        "accessoriesColor": [_tint(FRAME, 0)],
        "facialHairVariant": face.beard or BEARDS[0],
        "facialHairProbability": 100 if face.beard else 0,
        "facialHairColor": [hair],
        "mouthVariant": face.mouth,
        "eyesVariant": face.eyes,
        "eyebrowsVariant": face.eyebrows,
        "clothesVariant": face.garment,
        "clothesColor": [garment],
    }


def _tint(colour: Colour, shade: int) -> str:
    return "#" + "".join(f"{min(max(value + shade, 0), 255):02x}" for value in colour)

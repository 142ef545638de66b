"""What an evaluation has measured between images: arithmetic, interpolation, class into class.

document of an evaluation → two tables, a heat map; each only if the document has it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from training.evaluation.groups import expected
from training.report.document import at, dicts, estimated, number, real, square
from training.report.groups import plain
from training.report.parts import Figure, Note, Table
from training.report.plots import heat_map

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CLASSES = 24
"""Classes that a heat map has room for."""
FLAT = ("distance", "inside", "step")


def measured_moves(document: dict[str, Any]) -> Iterator[Figure | Table | Note]:
    """The items that this document has figures for."""
    if added := dicts(document, "arithmetic"):
        yield _arithmetic(added)
    if ways := dicts(document, "interpolations"):
        yield _ways(ways)
    if isinstance(document.get("classes"), dict):
        yield _classes(document["classes"])


def _arithmetic(found: list[dict[str, Any]]) -> Table:
    rows = []
    for one in found:
        value, interval = estimated(one.get("success"))
        rows.append((_formula(one), str(one.get("size", "?")), number(value), interval))
    return Table(
        "Arithmetic with groups",
        ("means of groups", "images of each", "success", "95 % interval"),
        tuple(rows),
        "Means of random groups of test images are added and subtracted, and the result decoded. "
        "Success: judges see both attributes as the formula wants them.",
    )


def _formula(one: dict[str, Any]) -> str:
    """As "hat − both + beard = neither"; a name alone is that attribute without the other."""
    try:
        first, other = (plain(str(name)) for name in one["attributes"])
        plus, minus, also = ((int(here), int(there)) for here, there in one["formula"])
        names = {(0, 0): "neither", (1, 0): first, (0, 1): other, (1, 1): "both"}
        wanted = expected((plus, minus, also))
        return f"{names[plus]} − {names[minus]} + {names[also]} = {names[wanted]}"
    except (KeyError, TypeError, ValueError):
        return "?"


def _ways(found: list[dict[str, Any]]) -> Table:
    rows = [
        (
            str(one.get("path", "?")),
            *(number(estimated(one.get(name))[0]) for name in FLAT),
            estimated(one.get("step"))[1],
        )
        for one in found
    ]
    ends = (number(real(found[0].get(f"{name}_ends"))) for name in ("distance", "inside"))
    rows.append(("one end, rebuilt", *ends, "", ""))
    return Table(
        "Between two images",
        ("midpoints", "FD", "inside", "longest step", "95 % interval"),
        tuple(rows),
        "What lies half-way between random test images. FD: as in the first table of sets. Inside: "
        "share within the test images' manifold. Longest step: over the mean of ten, 1 is even.",
    )


def _classes(found: dict[str, Any]) -> Figure | Note:
    names = found.get("names")
    values = square(found.get("flip"))
    if values is None or not isinstance(names, list) or len(names) != len(values):
        return Note("No heat map of classes: the evaluation has no figure for each pair of them.")
    if len(names) > MOST_CLASSES:
        return Note(f"No heat map of classes: it is drawn for up to {MOST_CLASSES}.")
    np.fill_diagonal(values, np.nan)
    alt = "Share of each class that can be made into every other class"
    sums = [number(real(found.get(name))) for name in ("flip_mean", "flip_lowest", "content_mean")]
    pair = at(found, "lowest_pair")
    worst = " to ".join(plain(str(name)) for name in pair) if isinstance(pair, list) else "?"
    return Figure(
        "Class into class",
        heat_map(values, np.zeros(values.shape, np.bool_), [str(name) for name in names], alt),
        "Row: the class of an image; column: the class that it is made into by adding the "
        "difference of the two mean latents. The share that judges then see as that class; 1 "
        f"(dark) is all. Of what reconstructions allow: mean {sums[0]}, lowest {sums[1]} "
        f"({worst}). Content kept beside the class: {sums[2]}.",
    )

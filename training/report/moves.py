"""Arithmetic in the latent space, as pictures.

Material → sections "shifts", "interpolation", "arithmetic"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.report.groups import formulas, plain
from training.report.parts import Figure, Note, Section
from training.report.paths import linear, spherical
from training.report.pictures import sheet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.report.groups import Formula
    from training.report.material import Material
    from training.report.pictures import Sheet

    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

STRENGTHS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
MAX_ATTRIBUTES = 40
STEPS = 6
"""Weights 0, 0.2, … 1."""
PAIRS = 4
FORMULAS = 4
GROUP_SIZES = (3, 25)
"""Images that a group's mean is taken of: Liu's three, and enough to average the rest away."""
WAYS = {"linear": linear, "spherical": spherical}
_PAIRS, _CLASSES = 4, 5


def shifts(material: Material) -> Section:
    """One strip for each attribute."""
    title = "Attribute shifts"
    if not material.attributes:
        note = Note("The data set has no attributes, so that there are no directions to shift by.")
        return Section("shifts", title, "", (note,))
    items: list[Figure | Note] = [
        _strip(material, index) for index in range(min(len(material.attributes), MAX_ATTRIBUTES))
    ]
    if len(material.attributes) > MAX_ATTRIBUTES:
        names = ", ".join(material.attributes[MAX_ATTRIBUTES:])
        items.append(Note(f"Only the first {MAX_ATTRIBUTES} are shown; left out: {names}."))
    lead = (
        "Each attribute's direction times a strength is added to the latent, and the sum decoded. "
        "Strength 1 is the difference between the mean latents without and with the attribute, "
        "other attributes held fixed (ridge regression on training images); strength 0 is the "
        "plain reconstruction. Look for the attribute to appear at 1 in the upper row and to go "
        "at −1 in the lower, while everything else stays; at ±2 flaws show first."
    )
    if material.classes:
        lead += (
            " Classes exclude each other, and adding one does not take the old one away: the "
            "arithmetic below does both."
        )
    return Section("shifts", title, lead, tuple(items))


def interpolation(material: Material) -> Section:
    """Ways between pairs of images, straight and along the arc."""
    order = material.rng(_PAIRS).permutation(len(material.images))
    pairs = order[: 2 * min(PAIRS, len(order) // 2)].reshape(-1, 2)
    columns = ("A", *(_number(weight) for weight in np.linspace(0, 1, STEPS)), "B")
    sheets: list[Sheet] = []
    for start, end in pairs:
        rows = []
        for way in WAYS.values():
            images = material.model.decode(way(material.mean[start], material.mean[end], STEPS))
            rows.append(np.stack((material.images[start], *images, material.images[end])))
        heads = () if sheets else columns
        sheets.append(sheet(rows, "From image A to image B", columns=heads, names=tuple(WAYS)))
    figure = Figure(
        "From A to B",
        tuple(sheets),
        "The outer columns are originals, those between are decoded at weight w. Linear: "
        "(1 − w)·A + w·B, whose middle is shorter than its ends. Spherical: direction and length "
        "change evenly, so that the middle is as long as latents usually are. Look for steps that "
        "are all plausible images, without a double exposure in the middle.",
    )
    lead = f"{len(pairs)} pairs of images, drawn at random, and the way between their latents."
    return Section("interpolation", "Interpolation", lead, (figure,))


def arithmetic(material: Material) -> Section:
    """A - B + C with means of groups; for classes an image less its class plus another."""
    title = "Latent arithmetic"
    if material.classes:
        return Section("arithmetic", title, *_class_arithmetic(material))
    found = formulas(material.labels, material.attributes, least=GROUP_SIZES[0], count=FORMULAS)
    if not found:
        enough = (
            "no two of this set's occur in all four combinations among the images shown"
            if len(material.attributes) > 1
            else f"this set has {len(material.attributes)}"
        )
        note = Note(
            "Arithmetic such as “A with glasses − B with glasses + B without” needs two attributes "
            f"and at least {GROUP_SIZES[0]} images of each combination; {enough}."
        )
        return Section("arithmetic", title, "", (note,))
    lead = (
        "Means of groups of images are added and subtracted as latents, then decoded. The last "
        "column is the mean of real images of the wanted kind: the result should look like it."
    )
    return Section(
        "arithmetic", title, lead, tuple(_formula(material, formula) for formula in found)
    )


def _strip(material: Material, index: int) -> Figure:
    rows, names = [], []
    for has in (False, True):
        places = np.flatnonzero(material.labels[:, index] == has)
        if not len(places):
            continue
        place = places[index % len(places)]
        strengths = np.array(STRENGTHS, np.float32)[:, None]
        images = material.model.decode(
            material.mean[place] + strengths * material.directions[index]
        )
        rows.append(np.concatenate((material.images[place][None], images)))
        if material.classes:
            names.append(plain(material.attributes[int(material.labels[place].argmax())]))
        else:
            names.append("with" if has else "without")
    name = plain(material.attributes[index])
    columns = ("original", *(_number(strength) for strength in STRENGTHS))
    return Figure(name, (sheet(rows, f"Strip of {name}", columns=columns, names=names),))


def _formula(material: Material, formula: Formula) -> Figure:
    a, b, c, wanted = formula.names
    smallest = min(map(len, formula.groups))
    sizes = sorted({min(size, smallest) for size in GROUP_SIZES})
    rows = []
    for size in sizes:
        means = [material.mean[group[:size]].mean(axis=0) for group in formula.groups]
        result = means[0] - means[1] + means[2]
        rows.append(material.model.decode(np.stack((*means[:3], result, means[3]))))
    picture = sheet(
        rows,
        f"{a} minus {b} plus {c}",
        columns=(f"A: {a}", f"− B: {b}", f"+ C: {c}", "= A − B + C", f"wanted: {wanted}"),
        names=[f"{size} images" for size in sizes],
    )
    return Figure(f"({a}) − ({b}) + ({c})", (picture,))


def _class_arithmetic(material: Material) -> tuple[str, tuple[Figure | Note, ...]]:
    kinds = material.labels.argmax(axis=1)
    present = [kind for kind in range(len(material.attributes)) if (kinds == kind).any()]
    turned = material.rng(_CLASSES).permutation(present)
    means = {kind: material.mean[kinds == kind].mean(axis=0) for kind in present}
    rows, names = [], []
    for start, end in zip(turned[:PAIRS], np.roll(turned, -1)[:PAIRS], strict=False):
        place = np.flatnonzero(kinds == start)[0]
        latent = material.mean[place]
        moved = latent - means[start] + means[end]
        decoded = material.model.decode(np.stack((latent, means[start], means[end], moved)))
        rows.append(np.concatenate((material.images[place][None], decoded)))
        names.append(f"{plain(material.attributes[start])} → {plain(material.attributes[end])}")
    figure = Figure(
        "An image − its class + another class",
        (
            sheet(
                rows,
                "Class arithmetic",
                columns=("image", "rebuilt", "− its class", "+ other class", "= result"),
                names=names,
            ),
        ),
        "The result should be of the other class and keep what was the image's own: shade, width, "
        "slant. Where it is a blend of both, the class is no straight step in this space.",
    )
    lead = (
        "The mean latent of an image's class is subtracted, that of another class added. Classes "
        "exclude each other, so that there are no two attributes to combine."
    )
    return lead, (figure,)


def _number(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")

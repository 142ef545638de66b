"""Images beside their reconstructions, and images out of nothing.

Material → sections "reconstructions", "samples"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bundle.prior import Prior
from training.evaluation.reconstruction import decibels
from training.report.groups import mixed_order
from training.report.maps import MapText, numbered_points
from training.report.material import PART_NAMES
from training.report.parts import Figure, Note, Section
from training.report.pictures import in_rows, sheet
from training.report.plane import uniform_in_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.report.material import Material
    from training.report.pictures import Sheet

COLUMNS = 8
PAIRS = 16
WORST = 8
SAMPLES = 24
BOX_POINTS = 18
"""As many as Foster's figure has (chapter 3 of "Generative deep learning")."""
_SAMPLES, _BOX = 1, 2
"""Purposes of random numbers."""


def reconstructions(material: Material) -> Section:
    """Some images as they come, and the worst of those measured."""
    part = PART_NAMES[material.part]
    seen = (
        f"Images of the {part} part, which the network has not met in training."
        if material.unseen
        else "The network has learnt from these images too: the run held nothing back, so they "
        "look better than new ones would."
    )
    order = mixed_order(material.labels, PAIRS)
    worst = np.argsort(-material.squared_errors, kind="stable")[:WORST]
    psnr = decibels(material.squared_errors[worst[:1]])[0]
    items = (
        Figure(
            "Originals and reconstructions",
            _pairs(material, order, "Originals above their reconstructions"),
            "Each reconstruction stands under its original; it is decoded from the latent's mean, "
            "without a draw. Nothing was chosen: these are the first of the part"
            + (", classes taken in turn." if material.classes else "."),
        ),
        Figure(
            "The worst reconstructions",
            _pairs(material, worst, "The worst reconstructions under their originals"),
            f"Those of {len(material.squared_errors)} with the largest squared error, the worst "
            f"first ({psnr:.1f} dB). What they have in common is what the model lacks.",
        ),
    )
    lead = f"{seen} Images pass through {material.latents} numbers and back."
    return Section("reconstructions", "Reconstructions", lead, items)


def samples(material: Material) -> Section:
    """Draws from the fitted prior and from N(0, I); for a plain 2-D autoencoder from the box."""
    rng = material.rng(_SAMPLES)
    uniform = rng.random(SAMPLES)
    normal = rng.standard_normal((SAMPLES, material.latents), np.float32)
    components = len(material.prior.weights)
    items: list[Figure | Note] = [
        Figure(
            "From the fitted prior",
            _decoded(material, material.prior, uniform, normal, "Draws from the fitted prior"),
            f"{_gaussians(components)} fitted to the latent means of {material.fitted} training "
            "images, as the exporter fits it for the server. Look for variety, and for images "
            "that belong to no one kind.",
        )
    ]
    if material.variational:
        standard = Prior.standard_normal(material.latents)
        items.append(
            Figure(
                "From N(0, I)",
                _decoded(material, standard, uniform, normal, "Draws from N(0, I)"),
                "The prior that the KL pulls towards, with the same random numbers. Images worse "
                "than those above mean that the latents do not fill N(0, I): there are holes "
                "that the decoder never met.",
            )
        )
    else:
        items.append(
            Note(
                "No draws from N(0, I): a plain autoencoder was never asked to fill it, so they "
                "would say nothing of the model.",
            )
        )
        items += _box_draws(material)
    lead = "New images: a latent is drawn, and decoded. None of these is in the data."
    return Section("samples", "Samples", lead, tuple(items))


def _pairs(material: Material, places: NDArray[np.intp], alt: str) -> tuple[Sheet, ...]:
    originals = in_rows(material.images[places], COLUMNS)
    found = in_rows(material.model.decode(material.mean[places]), COLUMNS)
    return tuple(
        sheet(pair, alt, names=("original", "rebuilt"))
        for pair in zip(originals, found, strict=True)
    )


def _decoded(
    material: Material,
    prior: Prior,
    uniform: NDArray[np.float64],
    normal: NDArray[np.float32],
    alt: str,
) -> tuple[Sheet, ...]:
    images = material.model.decode(prior.sample(uniform, normal))
    return (sheet(in_rows(images, COLUMNS), alt),)


def _box_draws(material: Material) -> list[Figure | Note]:
    plane = material.plane
    if plane is None or not plane.whole:
        return []
    points = uniform_in_box(material.mean, BOX_POINTS, material.rng(_BOX))
    images = material.model.decode(points)
    columns = BOX_POINTS // 3
    alt = f"{BOX_POINTS} points drawn evenly from the bounding box of the latents"
    return [
        Figure(
            "Where even draws fall",
            numbered_points(material.mean, points, MapText("z1", "z2", alt)),
            f"{BOX_POINTS} numbered points, drawn evenly from the dotted bounding box of the "
            "latents (blue). A plain autoencoder says nothing of where its latents lie, so this "
            "is the simplest guess; points far from any blue were never decoded in training.",
        ),
        Figure(
            "The same points decoded",
            (sheet(in_rows(images, columns), "Those points decoded, numbered row by row"),),
            f"Left to right, row by row: points 1 to {BOX_POINTS}. Compare points in a cloud "
            "with points in a gap.",
        ),
    ]


def _gaussians(components: int) -> str:
    return "One Gaussian" if components == 1 else f"A mixture of {components} Gaussians"

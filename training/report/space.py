"""The latent space itself: where images lie, what lies between, what each latent carries.

Material → sections "map", "grid", "latents"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.evaluation.latents import ACTIVE_VARIANCE
from training.report.latents import draws
from training.report.maps import MapText, attribute_maps, class_map
from training.report.parts import Figure, Note, Section
from training.report.pictures import SMALL_CELL, in_rows, sheet
from training.report.plane import TAIL, box_grid, normal_cdf, quantile_grid
from training.report.plots import information_plot, latent_histograms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training.report.material import Material
    from training.report.plane import Plane
    from training.report.svg import Plot

PLANE_GRID = 15
PRINCIPAL_GRID = 11
REACH = 2.0
"""Standard deviations that the grid along principal axes goes out."""
MAX_ATTRIBUTES = 40
HISTOGRAMS = 48
_DRAWS = 3
_ONE_LATENT = "This model has a single latent, so there is no plane; its histogram is below."


def latent_map(material: Material) -> Section:
    """Means in the plane, coloured by class or by each attribute."""
    plane, title = material.plane, "Map of the latents"
    if plane is None:
        return Section("map", title, "", (Note(_ONE_LATENT),))
    text, lead = _map_words(plane, len(material.mean))
    points = plane.project(material.mean)
    items: list[Figure | Note] = [
        Figure(_map_title(material), _cloud(material, points, text), _map_caption(material))
    ]
    if plane.whole and material.variational:
        square = MapText("Φ(z1)", "Φ(z2)", "Draws after the normal CDF", unit_square=True)
        drawn = draws(material.mean, material.logvar, material.rng(_DRAWS))
        items.append(
            Figure(
                "Draws on the unit square",
                _cloud(material, normal_cdf(drawn), square),
                "One draw z for each image, each coordinate through Φ, the normal's cumulative "
                "distribution. If the draws of all images together were exactly N(0, I), the "
                "square would be filled evenly. Empty areas are holes of the prior; the area that "
                "a class takes is its share of the samples from N(0, I).",
            )
        )
    elif plane.whole:
        items.append(
            Note(
                "No picture after the normal CDF: nothing pulls the latents of a plain "
                "autoencoder towards N(0, I), so the unit square would not mean anything.",
            )
        )
    if len(material.attributes) > MAX_ATTRIBUTES and not material.classes:
        items.append(_left_out(material))
    return Section("map", title, lead, tuple(items))


def decoded_grid(material: Material) -> Section:
    """The plane decoded at even steps."""
    plane, title = material.plane, "Decoded grid"
    if plane is None:
        return Section("grid", title, "", (Note(_ONE_LATENT),))
    if not plane.whole:
        side, points = PRINCIPAL_GRID, plane.principal_grid(PRINCIPAL_GRID, reach=REACH)
        lead = "The plane of the map, decoded at even steps: what the two main directions mean."
        caption = (
            f"From −{REACH:g} to {REACH:g} standard deviations of the latents along the first "
            "(left to right) and second (bottom to top) principal axis; every other direction "
            "stays at its mean, so images look plainer than real ones."
        )
    elif material.variational:
        side, points = PLANE_GRID, quantile_grid(PLANE_GRID)
        lead = "The whole plane, decoded at steps of equal probability under N(0, I)."
        caption = (
            f"Coordinates are Φ⁻¹ of {TAIL:g} to {1 - TAIL:g} in {side} even steps, z1 left to "
            "right and z2 bottom to top, as in the unit square above: each image stands for the "
            "same share of samples. Look for smooth change and for places that are nothing."
        )
    else:
        side, points = PLANE_GRID, box_grid(material.mean, PLANE_GRID)
        lead = "The whole plane, decoded at even steps over the bounding box of the latents."
        caption = (
            "z1 left to right and z2 bottom to top, as in the map above. Where the map has gaps, "
            "the decoder was never trained, and the images between neighbours break down."
        )
    images = material.model.decode(plane.lift(points))
    picture = sheet(
        in_rows(images, side), f"{side} by {side} decoded points", cell=SMALL_CELL, gap=0
    )
    figure = Figure(f"{side} × {side} decoded points", (picture,), caption)
    return Section("grid", title, lead, (figure,))


def latent_section(material: Material) -> Section:
    """Histograms against N(0, 1), and how much each latent carries."""
    figures = material.figures
    shown = figures.order[:HISTOGRAMS]
    drawn = draws(material.mean, material.logvar, material.rng(_DRAWS))
    which = "All latents" if len(shown) == material.latents else f"The {len(shown)} that carry most"
    if material.variational:
        caption = (
            f"{which}, the fullest first. Filled: draws z of the shown images; outline: their "
            "means; orange: the density of N(0, 1). Filled areas should follow the orange curve; "
            "what lies beyond the axis is not drawn. That alone is no proof of a good model: a "
            "latent that carries nothing follows it best, and is betrayed by an outline that is "
            "one spike at 0."
        )
    else:
        caption = (
            f"{which}, the widest first. Filled: the latents of the shown images; orange: the "
            "density of N(0, 1), which nothing pulled them towards; where it is higher than the "
            "plot it is cut off."
        )
    information = figures.variance if figures.kl is None else figures.kl
    unit = "variance of the mean" if figures.kl is None else "KL in nats"
    active = int(figures.active.sum())
    lead = (
        f"{active} of {material.latents} latents are active: their mean varies by more than "
        f"{ACTIVE_VARIANCE} over the images."
    )
    if active < material.latents:
        lead += " The others carry nothing, and the decoder has learnt to ignore them."
    items = (
        Figure(
            "Histograms",
            latent_histograms(
                drawn, material.mean, shown.tolist(), against_normal=material.variational
            ),
            caption,
        ),
        Figure(
            "What each latent carries",
            information_plot(information[figures.order], figures.active[figures.order], unit),
            "A long even row uses all latents; a steep fall shows how many the data needed.",
        ),
    )
    return Section("latents", "Latent distributions", lead, items)


def _map_words(plane: Plane, count: int) -> tuple[MapText, str]:
    if plane.whole:
        text = MapText("z1", "z2", "Every image as a point of the latent plane")
        return text, f"The latent space has two dimensions: this is all of it, {count} means."
    text = MapText(
        "first principal axis",
        "second principal axis",
        "Every image as a point on the first two principal axes of the latents",
    )
    lead = (
        f"The means of {count} images on their first two principal axes, which hold "
        f"{100 * plane.explained:.0f} % of the variance; what lies apart here is apart, what lies "
        "together may still be apart in the other directions."
    )
    return text, lead


def _map_title(material: Material) -> str:
    if not material.attributes:
        return "All images"
    return "By class" if material.classes else "By attribute"


def _map_caption(material: Material) -> str:
    if not material.attributes:
        return "The data set has no attributes, so that there is nothing to colour the points by."
    if material.classes:
        return (
            "One point for each image; the name of a class stands at the median of its points. "
            "Where classes overlap, the latent does not tell them apart."
        )
    return (
        "The same points in every panel: orange has the attribute, blue has not; the share that "
        "has it stands in brackets. Two clouds side by side mean that a step along the plane "
        "changes the attribute. Mixed colours mean that it lives in other directions, or nowhere."
    )


def _cloud(material: Material, points: NDArray[np.float32], text: MapText) -> Plot:
    if material.classes:
        return class_map(points, material.labels, material.attributes, text)
    names = material.attributes[:MAX_ATTRIBUTES]
    return attribute_maps(points, material.labels[:, : len(names)], names, text)


def _left_out(material: Material) -> Note:
    names = ", ".join(material.attributes[MAX_ATTRIBUTES:])
    return Note(f"Only the first {MAX_ATTRIBUTES} attributes are shown; left out: {names}.")

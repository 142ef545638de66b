"""The plots of a report, each from plain arrays.

curves · points [N, 2], labels [N, A] · values [N, L] · matrices [A, A] → `Plot`
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.ticker import MaxNLocator

from training.report.groups import plain
from training.report.latents import density
from training.report.svg import (
    BLUE,
    FULL_WIDTH,
    GREY,
    INK,
    ORANGE,
    bare,
    drawing,
    to_plot,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from training.report.curves import Series
    from training.report.svg import Plot

    Bools = NDArray[np.bool_]
    Float32 = NDArray[np.float32]
    Float64 = NDArray[np.float64]

ON_WHITE = "#1b2230"
"""Of letters on light cells, whatever the page's colours."""
HISTOGRAM_COLUMNS = 8
REACH = 4.0
"""Histograms show -4 to 4, where N(0, 1) is."""
FURTHEST = 10.0
"""Or further, where latents lie outside, but not beyond this."""
BINS = (16, 48)
"""At least and at most; between, the root of the number of images."""
HEAT = LinearSegmentedColormap.from_list("heat", ["#f2f4f7", "#f4b183", "#c2410c", "#7c1d06"])
DARK = 0.55
"""From here on letters on `HEAT` are white."""


@dataclass(frozen=True)
class Curve:
    """One small plot: a title and one line for each named series."""

    title: str
    lines: Mapping[str, Series]


def curves_plot(curves: Sequence[Curve], alt: str) -> Plot:
    """Small plots side by side, training in blue, validation in orange."""
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    with drawing(FULL_WIDTH, 2.7 * rows) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, curve in zip(grid.flat, curves, strict=False):
            for name, series in curve.lines.items():
                _line(axes, name, series)
            axes.set_title(curve.title)
            epochs = [epoch for series in curve.lines.values() for epoch, _ in series]
            axes.set_xlim(min(epochs) - 0.25, max(epochs) + 0.25)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
            axes.grid(visible=False, axis="x")
        for place, axes in enumerate(grid.flat):
            axes.set_visible(place < len(curves))
            if place + columns >= len(curves):
                axes.set_xlabel("epoch")
        shown = {name: None for curve in curves for name in curve.lines}
        handles = [grid.flat[0].plot([], [], color=_colour(name), marker="o")[0] for name in shown]
        figure.legend(handles, list(shown), loc="outside upper right", ncols=2)
        return to_plot(figure, alt)


def _colour(name: str) -> str:
    return ORANGE if name == "validation" else BLUE


def _line(axes: Axes, name: str, series: Series) -> None:
    epochs, values = zip(*series, strict=True)
    few = len(series) <= 20  # noqa: PLR2004  (then each point is shown)
    dashes = "--" if name == "validation" else "-"
    axes.plot(epochs, values, dashes, color=_colour(name), marker="o" if few else None, ms=4)


def latent_histograms(
    draws: Float32, means: Float32, order: Sequence[int], *, against_normal: bool
) -> Plot:
    """One histogram for each latent in ``order``: draws filled, means as an outline.

    Args:
        draws: float32 [N, L]; for a plain autoencoder the means again.
        means: float32 [N, L].
        order: Latents to show.
        against_normal: The axis is N(0, 1)'s; False takes the data's own.
    """
    rows = -(-len(order) // HISTOGRAM_COLUMNS)
    columns = min(HISTOGRAM_COLUMNS, len(order))
    shown = draws[:, order]
    if against_normal:
        far = min(FURTHEST, max(REACH, float(np.quantile(np.abs(shown), 0.995))))
        low, high = -far, far
    else:
        low, high = min(-REACH, float(shown.min())), max(REACH, float(shown.max()))
    edges = np.linspace(low, high, int(np.clip(len(draws) ** 0.5, *BINS)) + 1)
    at = np.linspace(low, high, 801)
    normal = [NormalDist().pdf(x) for x in at]
    width = FULL_WIDTH * max(columns, 4) / HISTOGRAM_COLUMNS
    with drawing(width, 1.25 * rows if columns > 4 else 2.4) as figure:  # noqa: PLR2004  (more columns make small cells)
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for axes in grid.flat[len(order) :]:
            axes.set_visible(False)
        for axes, latent in zip(grid.flat, order, strict=False):
            filled = density(draws[:, latent], edges)
            axes.stairs(filled, edges, fill=True, color=BLUE, alpha=0.45, lw=0)
            if draws is not means:
                axes.stairs(density(means[:, latent], edges), edges, color=BLUE, lw=1)
            axes.plot(at, normal, color=ORANGE, lw=1.4)
            # A spike of means at 0 would press everything else flat.
            top = float(filled.max())
            axes.set_ylim(0, min(max(0.62, 1.15 * top), 1.6) if against_normal else 1.6 * top)
            axes.set_title(f"z{latent + 1}", size=9)
            bare(axes)
            axes.spines["bottom"].set_visible(True)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4, symmetric=True, integer=True))
            axes.tick_params(labelsize=7.5)
        return to_plot(figure, "Histogram of each latent over the density of N(0, 1)")


def information_plot(values: Float64, active: Bools, unit: str) -> Plot:
    """Bars [L] in falling order; latents that are not active in grey."""
    with drawing(float(np.clip(0.5 * len(values), 5.0, FULL_WIDTH)), 2.6) as figure:
        axes = figure.subplots()
        places = np.arange(1, len(values) + 1)
        for mask, colour, name in ((active, BLUE, "active"), (~active, GREY, "not active")):
            if mask.any():
                axes.bar(places[mask], values[mask], color=colour, width=0.8, label=name)
        axes.set_xlabel("latents, in falling order")
        axes.set_ylabel(unit)
        axes.set_xlim(0.3, len(values) + 0.7)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=False, axis="x")
        if not active.all():
            axes.legend(loc="upper right")
        return to_plot(figure, f"{unit} of each latent, in falling order")


def heat_map(values: Float64, related: Bools, names: Sequence[str], alt: str) -> Plot:
    """A matrix [A, A] of shares with its numbers: pale at 0, dark at 1 and beyond.

    NaN cells stay empty; ``related`` ones stand in brackets. Row: what moves; column: what of.
    """
    count = len(names)
    side = min(FULL_WIDTH, 2.4 + 0.62 * count)
    with drawing(side, side * 0.88) as figure:
        axes = figure.subplots()
        axes.imshow(values, cmap=HEAT, norm=Normalize(0.0, 1.0, clip=True), aspect="equal")
        shown = [plain(name) for name in names]
        axes.set_xticks(range(count), shown, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), shown)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, labelcolor=INK)
        for (row, column), value in np.ndenumerate(values):
            if math.isfinite(value):
                axes.text(
                    column,
                    row,
                    f"({value:.2f})" if related[row, column] else f"{value:.2f}",
                    ha="center",
                    va="center",
                    size=9 if count <= 12 else 6.5,  # noqa: PLR2004  (then cells are small)
                    color="#ffffff" if value > DARK else ON_WHITE,
                )
        return to_plot(figure, alt)

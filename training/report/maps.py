"""Maps of a latent space: every image a point, coloured by what is known of it.

points [N, 2], labels bool [N, A] → `Plot`

Clouds are drawn as pixels, words and axes as lines, so that thousands of points cost little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.report.groups import plain
from training.report.svg import (
    CLASS_COLOURS,
    CLASS_MARKERS,
    FULL_WIDTH,
    INK,
    ORANGE,
    PAPER,
    SOFT,
    drawing,
    to_plot,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from training.report.svg import Plot

    Bools = NDArray[np.bool_]
    Float32 = NDArray[np.float32]
    Float64 = NDArray[np.float64]

OFF_BLUE, OFF_ORANGE = "#4f8fe8", "#e58a2e"
"""Of points: seen on white and on dark paper, and by colour-blind eyes."""
LABEL_SHARE = np.array((0.11, 0.034))
"""Part of the map's width and height that a class's name takes."""
MAP_COLUMNS = 4


@dataclass(frozen=True)
class MapText:
    """What is written at a map, and whether it is the unit square."""

    x: str
    y: str
    alt: str
    unit_square: bool = False


def class_map(points: Float32, labels: Bools, names: Sequence[str], plot: MapText) -> Plot:
    """One cloud of points [N, 2], a colour for each class, its name at its middle."""
    kinds = labels.argmax(axis=1)
    middles = {
        kind: np.median(points[kinds == kind], axis=0)
        for kind in range(len(names))
        if (kinds == kind).any()
    }
    room = np.ones(2) if plot.unit_square else np.ptp(points, axis=0)
    places = apart(np.array([*middles.values()]), room * LABEL_SHARE)
    if plot.unit_square:
        places = places.clip(LABEL_SHARE / 2, 1 - LABEL_SHARE / 2)
    with drawing(FULL_WIDTH, 8.2) as figure:
        axes = figure.subplots()
        # By rows in their own order, so that no class lies on top of all others.
        for kind, name in enumerate(names):
            axes.scatter(
                [], [], s=42, color=_class_colour(kind), marker=_marker(kind), label=plain(name)
            )
        for marker in sorted({_marker(kind) for kind in range(len(names))}):
            mine = np.array([_marker(int(kind)) == marker for kind in kinds])
            axes.scatter(
                points[mine, 0],
                points[mine, 1],
                c=[_class_colour(int(kind)) for kind in kinds[mine]],
                marker=marker,
                s=point_size(len(points)),
                alpha=0.75,
                linewidths=0,
                rasterized=True,
            )
        for kind, (x, y) in zip(middles, places.tolist(), strict=True):
            axes.annotate(
                plain(names[kind]),
                (x, y),
                ha="center",
                va="center",
                weight="bold",
                bbox={"boxstyle": "round,pad=.25", "fc": PAPER, "ec": "none", "alpha": 0.8},
                color=INK,
            )
        _map_axes(axes, plot)
        figure.legend(loc="outside right upper", title="class", alignment="left")
        return to_plot(figure, plot.alt)


def attribute_maps(points: Float32, labels: Bools, names: Sequence[str], plot: MapText) -> Plot:
    """The same cloud of points [N, 2] once for each attribute: with it in orange, without in blue.

    Without attributes it is one cloud.
    """
    count = max(1, len(names))
    columns = min(MAP_COLUMNS, count)
    rows = -(-count // columns)
    side = FULL_WIDTH / MAP_COLUMNS if len(names) > 1 else 6.5
    with drawing(side * columns, (side + 0.05) * rows) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= count:
                axes.set_visible(False)
                continue
            colours = np.full(len(points), OFF_BLUE, dtype=object)
            if names:
                colours[labels[:, index]] = OFF_ORANGE
                share = labels[:, index].mean()
                axes.set_title(f"{plain(names[index])} ({100 * share:.0f} %)")
            axes.scatter(
                points[:, 0],
                points[:, 1],
                c=colours.tolist(),
                s=point_size(len(points)) / (2 if len(names) > 1 else 1),
                alpha=0.6,
                linewidths=0,
                rasterized=True,
            )
            _map_axes(axes, plot, small=len(names) > 1)
        if len(names) > 1:
            figure.supxlabel(plot.x, size=10, color=SOFT)
            figure.supylabel(plot.y, size=10, color=SOFT)
        return to_plot(figure, plot.alt)


def _map_axes(axes: Axes, plot: MapText, *, small: bool = False) -> None:
    if not small:
        axes.set_xlabel(plot.x)
        axes.set_ylabel(plot.y)
    if plot.unit_square:
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.set_box_aspect(1)
    else:
        axes.set_box_aspect(1 if small else None)
    axes.locator_params(nbins=4 if small else 8)


def point_size(count: int) -> float:
    """Area of a point: fewer points may be larger."""
    return float(np.clip(20_000 / max(1, count), 10, 34))


def apart(places: Float64, room: Float64) -> Float64:
    """``places`` [K, 2] moved up and down until no two are nearer than ``room`` [2] in both.

    Those in the middle of a crowd stay about where they were, and the order from top to bottom
    is kept, so that each name is still the nearest to its cloud.
    """
    moved = places.astype(np.float64).copy()
    order = np.argsort(moved[:, 1], kind="stable")
    for _ in range(50):
        still = True
        for rank, lower in enumerate(order):
            for upper in order[rank + 1 :]:
                gap = moved[upper, 1] - moved[lower, 1]
                if abs(moved[upper, 0] - moved[lower, 0]) < room[0] and gap < 0.99 * room[1]:
                    moved[upper, 1] += (room[1] - gap) / 2
                    moved[lower, 1] -= (room[1] - gap) / 2
                    still = False
        if still:
            break
    return moved


def numbered_points(cloud: Float32, points: Float32, plot: MapText) -> Plot:
    """``points`` [M, 2] with their numbers over a pale cloud [N, 2], and its bounding box."""
    with drawing(6.5, 5.4) as figure:
        axes = figure.subplots()
        axes.scatter(
            cloud[:, 0], cloud[:, 1], s=8, c=OFF_BLUE, alpha=0.35, linewidths=0, rasterized=True
        )
        low, high = cloud.min(axis=0), cloud.max(axis=0)
        corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
        axes.plot(*zip(*corners, corners[0], strict=True), color=SOFT, lw=1, ls=":")
        axes.scatter(
            points[:, 0], points[:, 1], s=170, c=PAPER, edgecolors=ORANGE, linewidths=1.5, zorder=3
        )
        for number, (x, y) in enumerate(points.tolist(), start=1):
            axes.annotate(
                str(number), (x, y), ha="center", va="center", size=8.5, color=INK, zorder=4
            )
        _map_axes(axes, plot)
        return to_plot(figure, plot.alt)


def _class_colour(kind: int) -> str:
    return CLASS_COLOURS[kind % len(CLASS_COLOURS)]


def _marker(kind: int) -> str:
    return CLASS_MARKERS[kind // len(CLASS_COLOURS) % len(CLASS_MARKERS)]

"""Plots by Matplotlib as SVG that lies in the page itself and follows its colours.

Figure → SVG text without head, network names and double ids; colours → the page's variables

Knows nothing of what is plotted.
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

CSS_PER_INCH = 96
FULL_WIDTH = 11.6
"""Inches that a plot across the whole page takes."""
POINT_DPI = 192
"""Of clouds of points, which are pixels inside the SVG: two for each CSS pixel."""

INK, SOFT, LINE = "#1b2231", "#5d6880", "#d9dee8"
PAPER = "#fdfdfe"
"""Behind words and numbers that stand on points."""
BLUE, ORANGE, GREY = "#2a6fdb", "#d9730d", "#9aa4b8"
_VARIABLES = {
    PAPER: "--paper",
    INK: "--ink",
    SOFT: "--soft",
    LINE: "--line",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREY: "--grey",
}
CLASS_COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
"""Ten that stay apart for colour-blind eyes too (Petroff 2021, "Accessible color sequences")."""
CLASS_MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "*")
"""Colour repeats after ten classes, and the marker changes."""

_STYLE: Any = {  # Matplotlib types its some hundred keys one by one
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib; the page's own replaces it
    "font.size": 11.0,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 11.0,
    "axes.titlecolor": INK,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
    "legend.frameon": False,
    "legend.fontsize": 11.0,
    "lines.linewidth": 2.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "latentserve",
}


@dataclass(frozen=True)
class Plot:
    """An SVG element to be put into a page as it is.

    Attributes:
        svg: The element.
        width: In CSS pixels, at most.
        alt: What is seen.
    """

    svg: str
    width: int
    alt: str


@contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of ``width`` × ``height`` inches, 96 CSS pixels each, in our style."""
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def to_plot(figure: Figure, alt: str) -> Plot:
    """The figure as SVG; call it inside `drawing`."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing, transparent=True, dpi=POINT_DPI)
    return Plot(
        svg=embedded(buffer.getvalue()),
        width=round(figure.get_figwidth() * CSS_PER_INCH),
        alt=alt,
    )


def embedded(document: str) -> str:
    """An SVG document of Matplotlib's as an element for an HTML page.

    Without head, namespaces, fixed size and style sheet; ids stay only where something points at
    them; the colours above become variables.
    """
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<style.*?</style>|<metadata.*?</metadata>", "", svg, flags=re.DOTALL)
    head, body = svg.split(">", 1)
    view = re.search(r'viewBox="[^"]*"', head)
    head = f"<svg {view[0] if view else ''} focusable='false' aria-hidden='true'"
    body = body.replace("xlink:href", "href")
    wanted = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', body))
    kept = {name for pair in wanted for name in pair if name}
    body = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in kept else "", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    return re.sub(r"\n\s*", "\n", f"{head}>{body}").strip()


def bare(axes: Axes) -> None:
    """Take ticks and frame away: only relative places count."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)

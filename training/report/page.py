"""A `Page` as one HTML file that needs nothing else.

Page → template → HTML; every text is escaped, only the plots' SVG goes in as it is
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from training.report.parts import Figure, Note, Table
from training.report.svg import Plot

if TYPE_CHECKING:
    from training.report.parts import Page

TEMPLATE = "page.html"


def to_html(page: Page) -> str:
    """The whole file."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests |= {
        "figure": lambda item: isinstance(item, Figure),
        "table": lambda item: isinstance(item, Table),
        "note": lambda item: isinstance(item, Note),
        "plot": lambda body: isinstance(body, Plot),
    }
    environment.filters["svg"] = _as_it_is
    template = files("training.report").joinpath(TEMPLATE).read_text("utf-8")
    return environment.from_string(template).render(page=page)


def _as_it_is(plot: Plot) -> Markup:
    """The plot's own SVG; Matplotlib has escaped the texts in it."""
    return Markup(plot.svg)  # noqa: S704  (not from a user)

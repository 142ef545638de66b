"""What a page consists of: sections of figures, tables and notes. Words and pictures, no HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from training.report.pictures import Sheet
    from training.report.svg import Plot


@dataclass(frozen=True)
class Figure:
    """A plot, or sheets below each other; the caption says how to read it."""

    title: str
    body: Plot | tuple[Sheet, ...]
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first cell of each row is its heading.

    ``marks`` names cells (row, column) that miss their target. In a table of ``prose`` the last
    column is text.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    marks: frozenset[tuple[int, int]] = frozenset()
    prose: bool = False


@dataclass(frozen=True)
class Note:
    """A sentence in place of a figure, mostly why there is none; and what to type."""

    text: str
    command: str = ""
    kind: Literal["absent", "remark"] = "absent"


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    anchor: str
    title: str
    lead: str
    items: tuple[Figure | Table | Note, ...]


@dataclass(frozen=True)
class Fact:
    """A name, its value, and for the large figures on top what the value means."""

    name: str
    value: str
    meaning: str = ""


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    subtitle: str
    tiles: tuple[Fact, ...]
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    footer: str

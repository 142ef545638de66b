"""The result of `benchmarks.behaviour` as Markdown: what was wanted beside what was found.

Report(facts, checks, tables, remarks) → one table of checks, then the figures behind them → text

Knows no server and no clock. A check that does not hold is a line of the table, never an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Check:
    """One line of what was wanted.

    Attributes:
        question: What was measured, with its unit.
        wanted: In words.
        found: In words.
        holds: Whether what was found is what was wanted; None if nothing was found or wanted.
    """

    question: str
    wanted: str
    found: str
    holds: bool | None


@dataclass(frozen=True)
class Table:
    """Figures behind the checks: a title, the columns' names, and as many cells in each row."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Report:
    """Everything that is told.

    Attributes:
        facts: Date, hardware, command and versions, in the order shown.
        checks: What was wanted.
        tables: Figures.
        remarks: What a reader must know.
    """

    facts: Mapping[str, str]
    checks: Sequence[Check]
    tables: Sequence[Table]
    remarks: Sequence[str]


def at_most(question: str, found: float, limit: float, digits: int = 2) -> Check:
    """``found`` should not be above ``limit``; NaN is none found."""
    return _check(question, f"≤ {limit:g}", found, digits, holds=found <= limit)


def at_least(question: str, found: float, limit: float, digits: int = 2) -> Check:
    """``found`` should not be below ``limit``; NaN is none found."""
    return _check(question, f"≥ {limit:g}", found, digits, holds=found >= limit)


def between(question: str, found: float, low: float, high: float, digits: int = 2) -> Check:
    """``found`` should lie from ``low`` to ``high``; NaN is none found."""
    wanted = f"{low:g} to {high:g}"
    return _check(question, wanted, found, digits, holds=low <= found <= high)


def told(question: str, found: str) -> Check:
    """A figure of which nothing is wanted."""
    return Check(question, "–", found, None)


def to_markdown(report: Report) -> str:
    """Facts, remarks, the checks, and a table for each part."""
    lines = ["# Behaviour, measured", ""]
    lines += [f"- {name}: {text}" for name, text in report.facts.items()]
    lines += [f"- {remark}" for remark in report.remarks]
    words = {True: "yes", False: "**no**", None: "–"}
    checks = [(each.question, each.wanted, each.found, words[each.holds]) for each in report.checks]
    tables = [Table("Wanted and found", ("question", "wanted", "found", "holds"), checks)]
    for table in (*tables, *report.tables):
        lines += ["", f"## {table.title}", "", _row(table.columns), _rule(len(table.columns))]
        lines += [_row(cells) for cells in table.rows]
    return "\n".join(lines) + "\n"


def _check(question: str, wanted: str, found: float, digits: int, *, holds: bool) -> Check:
    if math.isnan(found):
        return Check(question, wanted, "nothing found", None)
    return Check(question, wanted, f"{found:.{digits}f}", holds)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(columns: int) -> str:
    return "|---|" + "---:|" * (columns - 1)

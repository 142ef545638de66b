"""The result of `benchmarks.serving` as Markdown and JSON.

Result(facts, rows, remarks) → one table for each operation, one of systems side by side → text

Knows no server and no clock. Ratios are what carries to other machines, so each rate stands beside
its share of the ceiling of the same run.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.measuring import Summary

OURS = "latentserve"
CEILING = "ceiling"
_NONE = "–"


@dataclass(frozen=True)
class Row:
    """One system doing one operation for so many callers.

    Attributes:
        operation: encode, decode, shift, sample, or a bulk operation.
        system: latentserve, a peer's name, or ``ceiling``.
        variant: How it travelled, or what part of the ceiling it is.
        callers: At the same time; threads of a ceiling.
        summary: Medians over the rounds.
        of_ceiling: Rate over the ceiling's, of this run; NaN if it has none.
    """

    operation: str
    system: str
    variant: str
    callers: int
    summary: Summary
    of_ceiling: float


@dataclass(frozen=True)
class Result:
    """Everything that a report is made of.

    Attributes:
        facts: Date, hardware, command and versions, in the order shown.
        rows: What was measured.
        remarks: What a reader must know, among it which peers are missing and why.
    """

    facts: Mapping[str, str]
    rows: Sequence[Row]
    remarks: Sequence[str]


def to_json(result: Result) -> str:
    """All figures; those that do not exist are null."""

    def plain(row: Row) -> dict[str, object]:
        flat = asdict(row)
        flat |= flat.pop("summary")
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in flat.items()
        }

    document = {
        "facts": dict(result.facts),
        "remarks": list(result.remarks),
        "rows": [plain(row) for row in result.rows],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def to_markdown(result: Result) -> str:
    """Facts, systems side by side, then one table for each operation."""
    lines = ["# Serving, measured", ""]
    lines += [f"- {name}: {text}" for name, text in result.facts.items()]
    lines += [f"- {remark}" for remark in result.remarks]
    lines += ["", *_side_by_side(result.rows)]
    for operation in dict.fromkeys(row.operation for row in result.rows):
        lines += [
            "",
            *_table(operation, [row for row in result.rows if row.operation == operation]),
        ]
    return "\n".join(lines) + "\n"


def _side_by_side(rows: Sequence[Row]) -> list[str]:
    """Our rate over each peer's, and our core time for an image over its own."""
    ours = {
        (row.operation, row.callers): row.summary
        for row in rows
        if row.system == OURS and row.variant == ""
    }
    lines = [
        "## latentserve beside the peers",
        "",
        "Rate over the peer's (more is better), and core time for each image over the peer's (less "
        "is better).",
        "",
        "| operation | callers | peer | rate ratio | core time ratio |",
        "|---|---:|---|---:|---:|",
    ]
    for row in rows:
        mine = ours.get((row.operation, row.callers))
        if mine is None or row.system in {OURS, CEILING}:
            continue
        rate, core = mine.rate / row.summary.rate, mine.core_ms / row.summary.core_ms
        lines.append(
            f"| {row.operation} | {row.callers} | {row.system} | {rate:.2f} | {core:.2f} |"
        )
    return lines


def _table(operation: str, rows: Sequence[Row]) -> list[str]:
    lines = [
        f"## {operation}",
        "",
        "| system | callers | images/s | of ceiling | p50 ms | p95 ms | core-ms/image "
        "| rounds, slowest to fastest |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        found = row.summary
        name = f"{row.system}, {row.variant}" if row.variant else row.system
        callers = f"{row.callers} threads" if row.system == CEILING else str(row.callers)
        cells = [
            name,
            callers,
            f"{found.rate:.0f}",
            _number(row.of_ceiling, 2),
            _number(found.p50_ms, 1),
            _number(found.p95_ms, 1),
            _number(found.core_ms, 2),
            f"{found.lowest:.0f} to {found.highest:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _number(value: float, digits: int) -> str:
    return _NONE if math.isnan(value) else f"{value:.{digits}f}"

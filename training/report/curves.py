"""The figures that a run has logged, epoch by epoch.

RUN/logs*/metrics.csv → {"train/kl": (epoch, value), …}

Knows no names of metrics: what was logged is what there is. A run that was resumed has a log for
each part; where parts overlap, the later one counts.
"""

from __future__ import annotations

import csv
import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Series = tuple[tuple[float, float], ...]

_LOG = re.compile(r"logs(?:-(\d+))?$")


def read_curves(run: Path) -> Mapping[str, Series]:
    """Points (epoch counted from 1, value) of every metric, by name; empty without a log."""
    parts: dict[int, Path] = {}
    for folder in run.iterdir():
        match = _LOG.match(folder.name)
        file = folder / "metrics.csv"
        if match and file.is_file():
            parts[int(match[1] or 1)] = file
    found: dict[str, dict[int, float]] = {}
    for _, file in sorted(parts.items()):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                _take(row, found)
    return {name: tuple(sorted(points.items())) for name, points in found.items()}


def last(curves: Mapping[str, Series], name: str) -> float | None:
    """The metric's last value; None if it was never logged."""
    series = curves.get(name, ())
    return series[-1][1] if series else None


def _take(row: dict[str, str], found: dict[str, dict[int, float]]) -> None:
    try:
        epoch = int(float(row["epoch"])) + 1
    except (KeyError, TypeError, ValueError):
        return  # a line that was cut off when the run broke
    for name, text in row.items():
        if name in ("epoch", "step") or not text:
            continue
        try:
            value = float(text)
        except (TypeError, ValueError):
            continue
        if math.isfinite(value):
            found.setdefault(name, {})[epoch] = value

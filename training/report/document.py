"""Reads a JSON document part by part: what is missing, or of another kind, is a dash.

document → numbers, intervals, matrices, cells of text; knows no evaluation
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = "–"


def square(rows: Any) -> NDArray[np.float64] | None:  # noqa: ANN401  (JSON)
    """N rows of N cells, float64 [N, N], NaN for what is no number; None if it is not square."""
    if not isinstance(rows, list) or not rows:
        return None
    if any(not isinstance(row, list) or len(row) != len(rows) for row in rows):
        return None
    values = [
        [math.nan if (value := real(cell)) is None else value for cell in row] for row in rows
    ]
    return np.array(values, np.float64)


def at(document: Any, path: str) -> Any:  # noqa: ANN401  (JSON)
    """What lies at ``a.b.c``; None where a part is missing."""
    for name in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def dicts(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of a list called ``name``."""
    found = document.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def estimated(found: Any) -> tuple[float | None, str]:  # noqa: ANN401  (whatever stood in the JSON)
    """A number, or one with an interval, and the interval as text."""
    if not isinstance(found, dict):
        return real(found), MISSING
    low, high = real(found.get("low")), real(found.get("high"))
    interval = MISSING if low is None or high is None else f"{number(low)} to {number(high)}"
    return real(found.get("value")), interval


def real(found: Any) -> float | None:  # noqa: ANN401  (whatever stood in the JSON)
    """A finite number."""
    if not isinstance(found, int | float):
        return None
    return float(found) if math.isfinite(found) else None


def number(value: float | None) -> str:
    """Two decimals, fewer for large numbers and more for small ones."""
    if value is None:
        return MISSING
    if abs(value) >= 100:  # noqa: PLR2004  (no decimals then)
        text = f"{value:,.0f}".replace(",", "\u202f")
    else:
        small = 0 < abs(value) < 0.1  # noqa: PLR2004  (two digits then)
        text = f"{value:.2g}" if small else f"{value:.2f}"
    return text.replace("-", "−")


def stretch(found: Any) -> str:  # noqa: ANN401  (whatever stood in the JSON)
    """A pair of numbers, from and to."""
    ends = [real(end) for end in found] if isinstance(found, list) else []
    shown = [f"{end:g}".replace("-", "−") for end in ends if end is not None]
    return " to ".join(shown) if len(shown) > 1 else MISSING


def limits(least: float, most: float) -> str:
    """What a figure should reach."""
    if math.isinf(most):
        return f"≥ {least:g}"
    return f"≤ {most:g}" if math.isinf(least) or least == 0 else f"{least:g} to {most:g}"

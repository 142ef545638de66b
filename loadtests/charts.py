"""Charts as inline SVG: no script, no font, nothing fetched.

series → SVG text that follows the page's colours
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 34
COLOURS = ("var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)")
_MAX_POINTS = 200


def latency_chart(latencies_ms: Mapping[str, Sequence[float]]) -> str:
    """Share of answers that came within so many milliseconds, a line for each endpoint.

    Args:
        latencies_ms: Sorted milliseconds by name; empty ones are left out.
    """
    drawn = {name: values for name, values in latencies_ms.items() if values}
    if not drawn:
        return ""
    # A logarithmic axis: the tail matters, and is many times the median.
    low = math.log10(max(0.1, min(values[0] for values in drawn.values())))
    high = max(math.log10(max(values[-1] for values in drawn.values())), low + 0.3)

    def x_of(ms: float) -> float:
        share = (math.log10(max(ms, 0.1)) - low) / (high - low)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    parts = [_frame(["0 %", "50 %", "100 %"])]
    ticks = (step * 10.0**power for power in range(-1, 5) for step in (1, 2, 5))
    parts += [
        _below(x_of(tick), f"{tick:g} ms") for tick in ticks if low <= math.log10(tick) <= high
    ]
    for colour, (name, values) in zip(COLOURS, drawn.items(), strict=False):
        places = {round(i * (len(values) - 1) / _MAX_POINTS) for i in range(_MAX_POINTS + 1)}
        points = [(x_of(values[i]), _y((i + 1) / len(values))) for i in sorted(places)]
        parts.append(_line(points, colour, name))
    return _svg("Answers within so many milliseconds", parts) + _legend(list(drawn))


def rate_chart(counts: Sequence[int]) -> str:
    """Right answers in each second of the run."""
    top = max([*counts, 1])
    step = (WIDTH - _LEFT - _RIGHT) / len(counts)
    parts = [_frame(["0", f"{top / 2:.0f}", f"{top}"])]
    for second, count in enumerate(counts):
        y = _y(count / top)
        parts.append(
            f'<rect x="{_LEFT + second * step + 1:.1f}" y="{y:.1f}" width="{step - 2:.1f}" '
            f'height="{_y(0) - y:.1f}" rx="2" fill="var(--c1)">'
            f"<title>second {second + 1}: {count}</title></rect>"
        )
    parts += [
        _below(_LEFT + step / 2, "1 s"),
        _below(WIDTH - _RIGHT - step / 2, f"{len(counts)} s"),
    ]
    return _svg("Right answers in each second", parts)


def bar_chart(title: str, bars: Sequence[tuple[str, int]]) -> str:
    """Counts by label, as shares of their sum."""
    total = sum(count for _, count in bars) or 1
    top = max(count for _, count in bars) / total or 1.0
    step = (WIDTH - _LEFT - _RIGHT) / len(bars)
    parts = [_frame(["0 %", f"{50 * top:.0f} %", f"{100 * top:.0f} %"])]
    for place, (label, count) in enumerate(bars):
        x, y = _LEFT + place * step, _y(count / total / top)
        parts.append(
            f'<rect x="{x + 3:.1f}" y="{y:.1f}" width="{step - 6:.1f}" '
            f'height="{_y(0) - y:.1f}" rx="2" fill="var(--c2)">'
            f"<title>{escape(label)}: {count}</title></rect>"
        )
        parts.append(_below(x + step / 2, label))
    return _svg(title, parts)


def _y(share: float) -> float:
    return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _frame(labels: Sequence[str]) -> str:
    parts = []
    for place, label in enumerate(labels):
        y = _y(place / (len(labels) - 1))
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>'
        )
    return "".join(parts)


def _below(x: float, label: str) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{escape(label)}</text>'


def _line(points: Sequence[tuple[float, float]], colour: str, name: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2">'
        f"<title>{escape(name)}</title></polyline>"
    )


def _legend(names: Sequence[str]) -> str:
    items = zip(COLOURS, names, strict=False)
    return (
        '<p class="legend">'
        + "".join(f'<span><i style="background:{c}"></i>{escape(n)}</span>' for c, n in items)
        + "</p>"
    )


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )

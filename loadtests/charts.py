"""Charts as inline SVG: no script, no font, nothing fetched.

series → SVG text that follows the page's colours
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.knee import Step

WIDTH, HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 48, 12, 34
COLOURS = tuple(f"var(--c{place})" for place in range(1, 9))
_MAX_POINTS = 200


def latency_chart(latencies_ms: Mapping[str, Sequence[float]]) -> str:
    """Share of answers that came within so many milliseconds, a line for each name.

    Args:
        latencies_ms: Sorted milliseconds by name; empty ones are left out, and so is what goes
            beyond the `COLOURS`.
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


def rate_chart(counts: Sequence[int], users: Sequence[int] = ()) -> str:
    """Right answers in each second of the run, and the users, who have a scale on the right."""
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
    if any(users):
        most = max(users)
        parts.append(_right([(0.0, "0"), (1.0, f"{most} users")]))
        points = []
        for second, count in enumerate(users[: len(counts)]):
            left, y = _LEFT + second * step, _y(count / most)
            points += [(left, y), (left + step, y)]
        parts.append(_line(points, COLOURS[3], "users"))
    return _svg("Right answers in each second", parts)


def times_chart(series: Mapping[str, Sequence[float]], limit_ms: float | None = None) -> str:
    """Milliseconds in each second, a line for each name, and the limit.

    Args:
        series: One number for each second; NaN where there was no answer.
        limit_ms: Drawn as a dashed line; None for none.
    """
    seconds = max(map(len, series.values()), default=0)
    known = [ms for values in series.values() for ms in values if math.isfinite(ms)]
    if not known:
        return ""
    top = 1.05 * max([*known, limit_ms or 0.0])
    step = (WIDTH - _LEFT - _RIGHT) / seconds
    parts = [_frame(["0 ms", f"{top / 2:.0f} ms", f"{top:.0f} ms"])]
    for colour, (name, values) in zip(COLOURS, series.items(), strict=False):
        points = [
            (_LEFT + (second + 0.5) * step, _y(ms / top))
            for second, ms in enumerate(values)
            if math.isfinite(ms)
        ]
        parts.append(_line(points, colour, name))
    parts += [
        _limit(limit_ms, top),
        _below(_LEFT + step / 2, "1 s"),
        _below(WIDTH - _RIGHT - step / 2, f"{seconds} s"),
    ]
    return _svg("Latency in each second", parts) + _legend(list(series))


def steps_chart(steps: Sequence[Step], limit_ms: float | None, mark: int | None) -> str:
    """Right answers a second for each number of users as bars, their p95 as a line.

    Args:
        steps: In the order made.
        limit_ms: Of the p95; None for none.
        mark: Place of the knee, whose bar has another colour; None if there is none.
    """
    if not steps:
        return ""
    most = max([step.rate for step in steps]) or 1.0
    known = [step.p95_ms for step in steps if math.isfinite(step.p95_ms)]
    top_ms = 1.05 * max([*known, limit_ms or 0.0, 1.0])
    width = (WIDTH - _LEFT - _RIGHT) / len(steps)
    parts = [_frame(["0/s", f"{most / 2:.0f}/s", f"{most:.0f}/s"])]
    for place, step in enumerate(steps):
        x, y = _LEFT + place * width, _y(step.rate / most)
        colour = COLOURS[1] if place == mark else COLOURS[0]
        parts.append(
            f'<rect x="{x + 3:.1f}" y="{y:.1f}" width="{max(width - 6, 1):.1f}" '
            f'height="{_y(0) - y:.1f}" rx="2" fill="{colour}">'
            f"<title>{step.users} users: {step.rate:.1f}/s, p95 {step.p95_ms:.1f} ms</title></rect>"
        )
        parts.append(_below(x + width / 2, str(step.users)))
    points = [
        (_LEFT + (place + 0.5) * width, _y(step.p95_ms / top_ms))
        for place, step in enumerate(steps)
        if math.isfinite(step.p95_ms)
    ]
    parts += [
        _line(points, COLOURS[2], "p95"),
        _limit(limit_ms, top_ms),
        _right([(0.0, "0 ms"), (1.0, f"{top_ms:.0f} ms")]),
    ]
    legend = '<p class="legend">bars: right answers/s by users; line: p95; dashed: its limit</p>'
    return _svg("Rate and p95 by users", parts) + legend


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


def _limit(limit_ms: float | None, top_ms: float) -> str:
    if limit_ms is None:
        return ""
    y = _y(limit_ms / top_ms)
    return (
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{COLOURS[2]}" '
        f'stroke-dasharray="6 4"><title>limit {limit_ms:g} ms</title></line>'
    )


def _right(labels: Sequence[tuple[float, str]]) -> str:
    return "".join(
        f'<text x="{WIDTH - _RIGHT + 6}" y="{_y(share) + 4:.1f}">{escape(label)}</text>'
        for share, label in labels
    )


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
    items = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for colour, name in zip(COLOURS, names, strict=False)
    )
    return f'<p class="legend">{items}</p>'


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )

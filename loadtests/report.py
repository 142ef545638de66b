"""The report of a run in words and tables: Markdown for pasting.

Run(outcomes, histograms, facts) → Markdown;  the rows that `loadtests.page` shows too
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadtests import knee

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.outcomes import Figures, Outcomes, Result
    from loadtests.server_metrics import Histogram

MEASURES = ("requests", "right/s", "p50 ms", "p95 ms", "p99 ms", "failed", "shed")
HEADINGS = ("endpoint", *MEASURES)
PHASE_HEADINGS = ("phase", "users", *MEASURES)
SERVER_HEADINGS = ("server", "micro-batches", "mean", "p50", "p95", "p99")
_MAX_REASONS = 20
_MEBI = 2**20


@dataclass(frozen=True)
class Run:
    """Everything that a report is made of.

    Attributes:
        outcomes: What came of every request.
        histograms: The server's own, over the run; empty if it has none to give.
        facts: What was tested and how, by name, in the order shown.
        remark: What a reader must know about the server's histograms; may be empty.
        limit_ms: The p95 that was asked for; None if none was.
        searches: Whether the phases are steps in search of the knee.
        processes: Values of the server's process before and after, by name.
    """

    outcomes: Outcomes
    histograms: Sequence[Histogram]
    facts: Mapping[str, str]
    remark: str = ""
    limit_ms: float | None = None
    searches: bool = False
    processes: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def verdict(self) -> str:
        """What came of the p95 that was asked for; empty if none was."""
        if self.limit_ms is None:
            return ""
        if self.searches:
            steps = knee.steps_of(self.outcomes)
            return knee.sentence(steps, self.limit_ms, self.outcomes.stopped)
        found = self.outcomes.figures()[-1].p95_ms
        held = "held" if found <= self.limit_ms else "missed"
        return f"p95 {found:.1f} ms, limit {self.limit_ms:g} ms: {held}"

    def good(self) -> bool:
        """Whether something came, nothing failed, and what was asked for was held."""
        total = self.outcomes.figures()[-1]
        if not total.ok or total.failed:
            return False
        if self.limit_ms is None:
            return True
        if self.searches:
            return knee.knee(knee.steps_of(self.outcomes), self.limit_ms) is not None
        return total.p95_ms <= self.limit_ms


def markdown(run: Run) -> str:
    """The figures as Markdown tables, with the run's facts above and the server's below."""
    facts = " · ".join(f"{name} {value}" for name, value in run.facts.items())
    lines = [facts, ""]
    if run.verdict():
        lines += [f"**{run.verdict()}**", ""]
    lines += _table(HEADINGS, endpoint_rows(run))
    if len(run.outcomes.spans) > 1:
        lines += _table(PHASE_HEADINGS, phase_rows(run))
    if run.histograms:
        lines += _table(SERVER_HEADINGS, server_rows(run))
    lines += [f"- server: {sentence(histogram)}" for histogram in run.histograms]
    lines += [f"- server: {text}" for text in process_lines(run)]
    if run.remark:
        lines.append(f"- {run.remark}")
    lines += [f"- failed {count} × {reason}" for reason, count in reasons(run, "failed")]
    lines += [f"- shed {count} × {reason}" for reason, count in reasons(run, "shed")]
    return "\n".join(lines).rstrip() + "\n"


def endpoint_rows(run: Run) -> list[list[str]]:
    """Under `HEADINGS`; the last row is that of all."""
    return [[row.path, *_measures(row)] for row in run.outcomes.figures()]


def phase_rows(run: Run) -> list[list[str]]:
    """Under `PHASE_HEADINGS`."""
    return [[span.name, str(span.users), *_measures(row)] for span, row in run.outcomes.phases()]


def server_rows(run: Run) -> list[list[str]]:
    """Under `SERVER_HEADINGS`; a percentile is the bound of the bucket that it lies in."""
    rows = []
    for histogram in run.histograms:
        metric = histogram.metric
        bounds = [histogram.bound_of(share) for share in (0.5, 0.95, 0.99)]
        cells = ["–" if math.isnan(b) else f"≤ {bound_text(b, metric)}" for b in bounds]
        name = f"`{metric}` {histogram.graph}"
        rows.append([name, str(histogram.total), _mean(histogram), *cells])
    return rows


def process_lines(run: Run) -> list[str]:
    """What the server's process held before and after."""
    lines = []
    for name, (before, after) in run.processes.items():
        if name == "memory":
            lines.append(f"memory {before / _MEBI:.0f} MiB before, {after / _MEBI:.0f} MiB after")
        else:
            lines.append(f"{name} {before:.0f} before, {after:.0f} after")
    return lines


def sentence(histogram: Histogram) -> str:
    """The whole histogram in words."""
    metric = f"`{histogram.metric}` of the {histogram.graph}"
    if not histogram.total:
        return f"{metric}: nothing was counted"
    steps = zip(histogram.bounds, histogram.counts, strict=True)
    shares = ", ".join(
        f"≤ {bound_text(bound, histogram.metric)}: {100 * count / histogram.total:.0f} %"
        for bound, count in steps
        if count
    )
    return f"{metric}: {histogram.total} micro-batches, mean {_mean(histogram)} ({shares})"


def _mean(histogram: Histogram) -> str:
    if math.isnan(histogram.mean):
        return "–"
    seconds = histogram.metric.endswith("_seconds")
    return f"{1000 * histogram.mean:.2f} ms" if seconds else f"{histogram.mean:.2f}"


def bound_text(bound: float, metric: str) -> str:
    """A bucket's upper bound with its unit."""
    if math.isinf(bound):
        return "∞"
    return f"{1000 * bound:g} ms" if metric.endswith("_seconds") else f"{bound:g}"


def reasons(run: Run, result: Result) -> list[tuple[str, int]]:
    """Why requests were ``result``, the most frequent first."""
    return run.outcomes.reasons(result)[:_MAX_REASONS]


def _measures(row: Figures) -> list[str]:
    times = [
        f"{ms:.1f}" if math.isfinite(ms) else "–" for ms in (row.p50_ms, row.p95_ms, row.p99_ms)
    ]
    counts = [str(row.failed), str(row.shed)]
    return [str(row.requests), f"{row.per_second:.1f}", *times, *counts]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(headings) + " |",
        "|---|" + "---:|" * (len(headings) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]

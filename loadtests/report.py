"""The report of a run: one Markdown table, and one HTML page that needs nothing else.

Run(outcomes, histograms, facts) → Markdown, HTML
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from loadtests.charts import bar_chart, latency_chart, rate_chart
from loadtests.outcomes import TOTAL
from loadtests.server_metrics import HISTOGRAMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.outcomes import Figures, Outcomes, Result
    from loadtests.server_metrics import Histogram

HEADINGS = ("endpoint", "requests", "right/s", "p50 ms", "p95 ms", "p99 ms", "failed", "shed")
_MAX_REASONS = 20
_STYLE = """
:root{color-scheme:light dark;--fg:#1c2330;--bg:#f6f7f9;--card:#fff;--soft:#68728a;--line:#e3e6ec;
--c1:#2f6fed;--c2:#12a594;--c3:#e5484d;--c4:#f08c00;--c5:#8e4ec6}
@media(prefers-color-scheme:dark){:root{--fg:#e8ebf2;--bg:#11141b;--card:#1a1f2a;--soft:#97a1b8;
--line:#2b3242;--c1:#6ea0ff;--c2:#3dd6c3;--c3:#ff7f83;--c4:#ffb35c;--c5:#c79bf2}}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;margin:0;background:var(--bg);color:var(--fg)}
main{max-width:72rem;margin:auto;padding:2rem 1.25rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.05rem;margin:0 0 .6rem}
.soft,svg text,.legend{color:var(--soft);fill:var(--soft)}
.tiles,.grid2{display:grid;gap:.8rem;margin:1.2rem 0}
.tiles{grid-template-columns:repeat(auto-fit,minmax(9rem,1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1rem 1.1rem}
.tile b{display:block;font-size:1.7rem;line-height:1.2;font-variant-numeric:tabular-nums}
.bad b{color:var(--c3)}
.grid2{grid-template-columns:repeat(auto-fit,minmax(26rem,1fr))}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.45rem .6rem;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:500}
tr:last-child td{border:0;font-weight:600}
svg{width:100%;height:auto;font:11px system-ui,sans-serif}svg .grid{stroke:var(--line)}
.legend{margin:.2rem 0 0;font-size:.85rem}.legend span{margin-right:1rem;white-space:nowrap}
.legend i{display:inline-block;width:.8em;height:.8em;border-radius:3px;margin-right:.35em}
code{font-family:ui-monospace,monospace;font-size:.9em}
"""


@dataclass(frozen=True)
class Run:
    """Everything that a report is made of.

    Attributes:
        outcomes: What came of every request.
        histograms: The server's own, over the run; empty if it has none to give.
        facts: What was tested and how, by name, in the order shown.
        remark: What a reader must know about the server's histograms; may be empty.
    """

    outcomes: Outcomes
    histograms: Sequence[Histogram]
    facts: Mapping[str, str]
    remark: str = ""


def markdown(run: Run) -> str:
    """The figures as one Markdown table, with the run's facts above and the server's below."""
    facts = " · ".join(f"{name} {value}" for name, value in run.facts.items())
    lines = [
        facts,
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|---|" + "---:|" * (len(HEADINGS) - 1),
        *("| " + " | ".join(_cells(row)) + " |" for row in run.outcomes.figures()),
        "",
    ]
    lines += [f"- server: {_sentence(histogram)}" for histogram in run.histograms]
    if run.remark:
        lines.append(f"- {run.remark}")
    lines += [f"- failed {count} × {reason}" for reason, count in _reasons(run, "failed")]
    lines += [f"- shed {count} × {reason}" for reason, count in _reasons(run, "shed")]
    return "\n".join(lines).rstrip() + "\n"


def html(run: Run) -> str:
    """The whole page."""
    outcomes = run.outcomes
    figures = outcomes.figures()
    facts = " · ".join(f"{escape(name)} {escape(value)}" for name, value in run.facts.items())
    paths = [row.path for row in figures if row.path != TOTAL]
    latency = latency_chart({path: outcomes.latencies_ms(path) for path in paths})
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>latentserve load test</title>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<style>{_STYLE}</style><main><h1>Load test</h1><p class=soft>{facts}</p>"
        f"{_tiles(figures[-1])}{_card('Endpoints', _table(figures))}<div class=grid2>"
        f"{_card('Share of right answers within a time', latency)}"
        f"{_card('Right answers in each second', rate_chart(outcomes.answers_by_second()))}"
        f"{''.join(_histogram_card(histogram) for histogram in run.histograms)}</div>"
        f"{f'<p class=soft>{escape(run.remark)}</p>' if run.remark else ''}"
        f"{_reason_card(run)}</main></html>\n"
    )


def _cells(row: Figures) -> list[str]:
    times = [
        f"{ms:.1f}" if math.isfinite(ms) else "–" for ms in (row.p50_ms, row.p95_ms, row.p99_ms)
    ]
    counts = [str(row.failed), str(row.shed)]
    return [row.path, str(row.requests), f"{row.per_second:.1f}", *times, *counts]


def _tiles(total: Figures) -> str:
    cells = dict(zip(HEADINGS, _cells(total), strict=True))
    shown = {
        "right answers/s": cells["right/s"],
        "p50 ms": cells["p50 ms"],
        "p95 ms": cells["p95 ms"],
        "p99 ms": cells["p99 ms"],
        "failed": cells["failed"],
        "shed (429, 503)": cells["shed"],
    }
    tiles = [
        f"<div class='card tile{' bad' if name == 'failed' and total.failed else ''}'>"
        f"<b>{value}</b><span class=soft>{name}</span></div>"
        for name, value in shown.items()
    ]
    return f"<div class=tiles>{''.join(tiles)}</div>"


def _table(figures: Sequence[Figures]) -> str:
    head = "".join(f"<th>{name}</th>" for name in HEADINGS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row)) + "</tr>"
        for row in figures
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _histogram_card(histogram: Histogram) -> str:
    filled = [place for place, count in enumerate(histogram.counts) if count]
    if not filled:
        return ""
    shown = slice(0, filled[-1] + 1)
    labels = [_bound(bound, histogram.metric) for bound in histogram.bounds[shown]]
    bars = list(zip(labels, histogram.counts[shown], strict=True))
    title = f"Server, {histogram.graph}: {HISTOGRAMS[histogram.metric]}"
    return _card(
        title, bar_chart(title, bars) + f"<p class=soft>{escape(_sentence(histogram))}</p>"
    )


def _sentence(histogram: Histogram) -> str:
    metric = f"`{histogram.metric}` of the {histogram.graph}"
    if not histogram.total:
        return f"{metric}: nothing was counted"
    if histogram.metric.endswith("_seconds"):
        mean = f"mean {1000 * histogram.mean:.2f} ms"
    else:
        mean = f"mean {histogram.mean:.2f}"
    steps = zip(histogram.bounds, histogram.counts, strict=True)
    shares = ", ".join(
        f"≤ {_bound(bound, histogram.metric)}: {100 * count / histogram.total:.0f} %"
        for bound, count in steps
        if count
    )
    return f"{metric}: {histogram.total} micro-batches, {mean} ({shares})"


def _bound(bound: float, metric: str) -> str:
    if math.isinf(bound):
        return "∞"
    return f"{1000 * bound:g} ms" if metric.endswith("_seconds") else f"{bound:g}"


def _reason_card(run: Run) -> str:
    reasons = [*_reasons(run, "failed"), *_reasons(run, "shed")]
    if not reasons:
        return ""
    rows = "".join(f"<tr><td>{escape(why)}</td><td>{count}</td></tr>" for why, count in reasons)
    return _card("Failed and shed, by reason", f"<table><tbody>{rows}</tbody></table>")


def _reasons(run: Run, result: Result) -> list[tuple[str, int]]:
    return run.outcomes.reasons(result)[:_MAX_REASONS]


def _card(title: str, inside: str) -> str:
    return f"<section class=card><h2>{escape(title)}</h2>{inside}</section>"

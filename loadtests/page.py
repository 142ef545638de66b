"""The report of a run as one HTML page that needs nothing else.

Run → HTML: figures in tiles, tables, charts; the server's histograms beside the clients' latencies
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from loadtests import knee
from loadtests.charts import COLOURS, bar_chart, latency_chart, rate_chart, steps_chart, times_chart
from loadtests.outcomes import TOTAL
from loadtests.report import (
    HEADINGS,
    PHASE_HEADINGS,
    SERVER_HEADINGS,
    bound_text,
    endpoint_rows,
    phase_rows,
    process_lines,
    reasons,
    sentence,
    server_rows,
)
from loadtests.server_metrics import HISTOGRAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.report import Run
    from loadtests.server_metrics import Histogram

_STYLE = """
:root{color-scheme:light dark;--fg:#1c2330;--bg:#f6f7f9;--card:#fff;--soft:#68728a;--line:#e3e6ec;
--c1:#2f6fed;--c2:#12a594;--c3:#e5484d;--c4:#f08c00;--c5:#8e4ec6;--c6:#0090ff;
--c7:#d6409f;--c8:#7a8b00}
@media(prefers-color-scheme:dark){:root{--fg:#e8ebf2;--bg:#11141b;--card:#1a1f2a;--soft:#97a1b8;
--line:#2b3242;--c1:#6ea0ff;--c2:#3dd6c3;--c3:#ff7f83;--c4:#ffb35c;--c5:#c79bf2;--c6:#70c5ff;--c7:#ff8dcc;--c8:#c3d44d}}
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
tr:last-child td{border:0}.sum tr:last-child td,tr.mark td{font-weight:600}
.mark td{color:var(--c2)}.scroll{overflow-x:auto}.verdict{font-size:1.1rem}
svg{width:100%;height:auto;font:11px system-ui,sans-serif}svg .grid{stroke:var(--line)}
.legend{margin:.2rem 0 0;font-size:.85rem}
.legend i{display:inline-block;width:.8em;height:.8em;border-radius:3px;margin-right:.35em}
.legend span{display:inline-block;margin-right:1rem;white-space:nowrap}
code{font-family:ui-monospace,monospace;font-size:.9em}
"""


def html(run: Run) -> str:
    """The whole page."""
    facts = " · ".join(f"{escape(name)} {escape(value)}" for name, value in run.facts.items())
    verdict = f"<p class='card verdict'>{escape(run.verdict())}</p>" if run.verdict() else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>latentserve load test</title>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<style>{_STYLE}</style><main><h1>Load test</h1><p class=soft>{facts}</p>{verdict}"
        f"{_tiles(run)}"
        f"{_card('Endpoints', _table(HEADINGS, endpoint_rows(run), 'sum'))}"
        f"{_phases(run)}<div class=grid2>{_knee(run)}"
        f"{_card('Right answers and users, each second', _rates(run))}"
        f"{_card('Latency, each second', _times(run))}"
        f"{_card('Share of right answers within a time', latency_chart(_latencies(run)))}"
        f"{''.join(_histogram_card(histogram) for histogram in run.histograms)}</div>"
        f"{_server(run)}{_reason_card(run)}</main></html>\n"
    )


def _latencies(run: Run) -> dict[str, list[float]]:
    """By endpoint; by protocol where there are more endpoints than colours."""
    outcomes = run.outcomes
    paths = [row.path for row in outcomes.figures() if row.path != TOTAL]
    if len(paths) <= len(COLOURS):
        return {path: outcomes.latencies_ms(path) for path in paths}
    found: dict[str, list[float]] = {}
    for path in paths:
        found.setdefault(path.partition(" ")[0], []).extend(outcomes.latencies_ms(path))
    return {protocol: sorted(values) for protocol, values in found.items()}


def _tiles(run: Run) -> str:
    total = run.outcomes.figures()[-1]
    cells = dict(zip(HEADINGS, endpoint_rows(run)[-1], strict=True))
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


def _phases(run: Run) -> str:
    if len(run.outcomes.spans) <= 1:
        return ""
    table = _table(PHASE_HEADINGS, phase_rows(run), mark=_mark(run))
    return f"<div class=tiles>{_card('Steps' if run.searches else 'Phases', table)}</div>"


def _knee(run: Run) -> str:
    if not run.searches:
        return ""
    return _card("The knee", steps_chart(knee.steps_of(run.outcomes), run.limit_ms, _mark(run)))


def _mark(run: Run) -> int | None:
    """The knee's place among the phases; None if none was looked for or found."""
    if not run.searches or run.limit_ms is None:
        return None
    steps = knee.steps_of(run.outcomes)
    best = knee.knee(steps, run.limit_ms)
    return None if best is None else steps.index(best)


def _rates(run: Run) -> str:
    return rate_chart(run.outcomes.answers_by_second(), run.outcomes.users_by_second())


def _times(run: Run) -> str:
    series = {
        f"p{percent}": run.outcomes.percentiles_by_second(percent) for percent in (50, 95, 99)
    }
    return times_chart(series, run.limit_ms)


def _table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    kind: str = "",
    mark: int | None = None,
) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in headings)
    body = "".join(
        f"<tr{' class=mark' if place == mark else ''}>"
        + "".join(f"<td>{escape(cell.replace('`', ''))}</td>" for cell in row)
        + "</tr>"
        for place, row in enumerate(rows)
    )
    opened = f"<table class={kind}>" if kind else "<table>"
    return (
        f"<div class=scroll>{opened}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        "</div>"
    )


def _histogram_card(histogram: Histogram) -> str:
    filled = [place for place, count in enumerate(histogram.counts) if count]
    if not filled:
        return ""
    shown = slice(0, filled[-1] + 1)
    labels = [bound_text(bound, histogram.metric) for bound in histogram.bounds[shown]]
    bars = list(zip(labels, histogram.counts[shown], strict=True))
    title = f"Server, {histogram.graph}: {HISTOGRAMS[histogram.metric]}"
    text = escape(sentence(histogram).replace("`", ""))
    return _card(title, bar_chart(title, bars) + f"<p class=soft>{text}</p>")


def _server(run: Run) -> str:
    remarks = "".join(f"<p class=soft>{escape(text)}</p>" for text in process_lines(run))
    if run.remark:
        remarks += f"<p class=soft>{escape(run.remark)}</p>"
    if not run.histograms:
        return remarks
    return _card("The server's own count", _table(SERVER_HEADINGS, server_rows(run)) + remarks)


def _reason_card(run: Run) -> str:
    found = [*reasons(run, "failed"), *reasons(run, "shed")]
    if not found:
        return ""
    rows = "".join(f"<tr><td>{escape(why)}</td><td>{count}</td></tr>" for why, count in found)
    return _card("Failed and shed, by reason", f"<table><tbody>{rows}</tbody></table>")


def _card(title: str, inside: str) -> str:
    return f"<section class=card><h2>{escape(title)}</h2>{inside}</section>"

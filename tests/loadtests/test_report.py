"""The report shows the figures, fetches nothing, and cannot be broken by what a server says."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from loadtests.charts import bar_chart, latency_chart, rate_chart, steps_chart, times_chart
from loadtests.knee import Step
from loadtests.outcomes import Outcome, Outcomes, Span
from loadtests.page import html
from loadtests.report import Run, markdown
from loadtests.server_metrics import Histogram

OUTCOMES = Outcomes(
    4.0,
    (
        *(Outcome("/v1/encode", ms / 30, float(ms), "ok", "") for ms in range(1, 101)),
        Outcome("/v1/shift", 1.0, 3.0, "failed", "<script>alert(1)</script>"),
        Outcome("/v1/shift", 1.0, 3.0, "shed", "status 429"),
    ),
)
HISTOGRAMS = [
    Histogram("latentserve_batch_items", "decoder", (1, 2, 4, math.inf), (5, 3, 2, 0), 1.8),
    Histogram("latentserve_queue_wait_seconds", "decoder", (0.001, math.inf), (10, 0), 0.0004),
]
RUN = Run(OUTCOMES, HISTOGRAMS, {"model": "faces-64 1", "users": "16"}, "a remark")
STEPS = Run(
    Outcomes(
        6.0,
        tuple(
            Outcome("http shift", 2.0 * step + n / (25 + 25 * step), 10.0 + 40 * step, "ok", "")
            for step in range(3)
            for n in range(50 + 50 * step)
        ),
        tuple(Span(f"step {n}", n, 2.0 * (n - 1), 2.0 * n) for n in (1, 2, 3)),
        stopped="p95 was 90.0 ms with 3 users",
    ),
    HISTOGRAMS,
    {"shape": "steps"},
    limit_ms=60.0,
    searches=True,
    processes={"memory": (100 * 2**20, 120 * 2**20), "open files": (20, 21)},
)


def test_markdown_is_tables_with_the_server_below() -> None:
    lines = markdown(RUN).splitlines()
    assert lines[0] == "model faces-64 1 · users 16"
    assert "| /v1/encode | 100 | 25.0 | 50.5 | 95.0 | 99.0 | 0 | 0 |" in lines
    assert "| /v1/shift | 2 | 0.0 | – | – | – | 1 | 1 |" in lines
    assert "| all | 102 | 25.0 | 50.5 | 95.0 | 99.0 | 1 | 1 |" in lines
    assert "| `latentserve_batch_items` decoder | 10 | 1.80 | ≤ 1 | ≤ 4 | ≤ 4 |" in lines
    assert (
        "| `latentserve_queue_wait_seconds` decoder | 10 | 0.40 ms | ≤ 1 ms | ≤ 1 ms | ≤ 1 ms |"
    ) in lines
    for place, line in enumerate(lines[1:], 1):
        if line.startswith("|") and lines[place - 1].startswith("|"):
            assert line.count("|") == lines[place - 1].count("|")
    assert (
        "- server: `latentserve_batch_items` of the decoder: 10 micro-batches, mean 1.80 "
        "(≤ 1: 50 %, ≤ 2: 30 %, ≤ 4: 20 %)"
    ) in lines
    assert any("mean 0.40 ms (≤ 1 ms: 100 %)" in line for line in lines)
    assert "- a remark" in lines


def test_steps_show_their_knee() -> None:
    text = markdown(STEPS)
    assert "**knee: 50.0 right answers/s with 2 users at p95 50.0 ms, limit 60 ms;" in text
    assert "stopped since p95 was 90.0 ms with 3 users**" in text
    assert "| step 2 | 2 | 80 | 50.0 | 50.0 | 50.0 | 50.0 | 0 | 0 |" in text
    assert "- server: memory 100 MiB before, 120 MiB after" in text
    assert "- server: open files 20 before, 21 after" in text
    page = html(STEPS)
    assert re.search(r"<tr class=mark><td>step 2</td>", page)
    assert "knee: 50.0 right answers/s" in page
    assert "memory 100 MiB before" in page
    assert STEPS.good()


def test_a_limit_decides() -> None:
    held = Run(Outcomes(1.0, OUTCOMES.rows[:100]), [], {}, limit_ms=95.1)
    assert held.verdict() == "p95 95.0 ms, limit 95.1 ms: held"
    assert held.good()
    assert not replace(held, limit_ms=94.0).good()
    assert "missed" in replace(held, limit_ms=94.0).verdict()
    assert not RUN.good()
    assert not replace(STEPS, limit_ms=1.0).good()
    assert "no knee" in html(replace(STEPS, limit_ms=1.0))


def test_many_endpoints_are_drawn_by_protocol() -> None:
    rows = tuple(Outcome(f"grpc {n}", 0.1, n + 1.0, "ok", "") for n in range(9))
    rows += (Outcome("http 1", 0.1, 5.0, "ok", ""),)
    page = html(Run(Outcomes(1.0, rows), [], {}))
    assert "</i>grpc</span>" in page
    assert "</i>http</span>" in page
    assert "</i>grpc 1</span>" not in page


def test_page_stands_alone_and_escapes() -> None:
    page = html(RUN)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"(src|href)=|url\(|@import|https?://", page)
    for figure in ("25.0", "50.5", "right answers/s", "items in a micro-batch"):
        assert figure in page


@pytest.mark.parametrize("outcomes", [Outcomes(3.0, ()), Outcomes(1.0, OUTCOMES.rows[-1:])])
def test_a_run_without_right_answers_has_a_report_too(outcomes: Outcomes) -> None:
    run = Run(outcomes, [], {})
    assert "| all |" in markdown(run)
    assert "Load test" in html(run)


def test_charts_are_well_formed_and_inside_their_frame() -> None:
    latencies = {"/a": [0.05, 1.0, 2000.0], "/b": [3.0], "/none": []}
    charts = [
        latency_chart(latencies).partition("</svg>")[0] + "</svg>",
        rate_chart([5, 0, 9]),
        rate_chart([0]),
        rate_chart([5, 0, 9], [1, 2, 0]),
        times_chart({"p50": [1.0, math.nan], "p95": [3.0, 4.0]}, 2.0).partition("<p class")[0],
        steps_chart([Step(1, 5, 3, 9, 0, 0), Step(2, 0, math.nan, 9, 9, 0)], 8.0, 0).partition(
            "<p class"
        )[0],
        bar_chart("sizes", [("1", 4), ("<2", 0)]),
    ]
    for chart in charts:
        for element in ET.fromstring(chart).iter():  # noqa: S314  (our own text)
            for name in ("x", "y", "width", "height", "x1", "y1"):
                assert 0 <= float(element.get(name, 0)) <= 640
    assert charts[0].count("<polyline") == 2
    assert latency_chart({}) == ""
    assert times_chart({"p50": [math.nan]}) == ""
    assert steps_chart([], 5.0, None) == ""

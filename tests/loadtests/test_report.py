"""The report shows the figures, fetches nothing, and cannot be broken by what a server says."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest

from loadtests.charts import bar_chart, latency_chart, rate_chart
from loadtests.outcomes import Outcome, Outcomes
from loadtests.report import Run, html, markdown
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


def test_markdown_is_one_table_with_the_server_below() -> None:
    lines = markdown(RUN).splitlines()
    assert lines[0] == "model faces-64 1 · users 16"
    assert "| /v1/encode | 100 | 25.0 | 50.5 | 95.0 | 99.0 | 0 | 0 |" in lines
    assert "| /v1/shift | 2 | 0.0 | – | – | – | 1 | 1 |" in lines
    assert "| all | 102 | 25.0 | 50.5 | 95.0 | 99.0 | 1 | 1 |" in lines
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert (
        "- server: `latentserve_batch_items` of the decoder: 10 micro-batches, mean 1.80 "
        "(≤ 1: 50 %, ≤ 2: 30 %, ≤ 4: 20 %)"
    ) in lines
    assert any("mean 0.40 ms (≤ 1 ms: 100 %)" in line for line in lines)
    assert "- a remark" in lines


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
        bar_chart("sizes", [("1", 4), ("<2", 0)]),
    ]
    for chart in charts:
        for element in ET.fromstring(chart).iter():  # noqa: S314  (our own text)
            for name in ("x", "y", "width", "height", "x1", "y1"):
                assert 0 <= float(element.get(name, 0)) <= 640
    assert charts[0].count("<polyline") == 2
    assert latency_chart({}) == ""

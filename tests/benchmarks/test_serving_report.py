"""The result's ratios are of one run, and what does not exist is said to be missing."""

from __future__ import annotations

import json
import math

import pytest

from benchmarks.load import Load
from benchmarks.measuring import Summary
from benchmarks.serving import measure_of
from benchmarks.serving_report import CEILING, OURS, Result, Row, to_json, to_markdown
from loadtests.client import ServerError


def summary(rate: float, core_ms: float, p95_ms: float = 4.0) -> Summary:
    return Summary(rate, p95_ms / 2, p95_ms, core_ms, rate - 1, rate + 1)


RESULT = Result(
    {"date": "some day"},
    [
        Row("decode", CEILING, "ORT + codec", 2, summary(1000, 1.0, math.nan), 1.0),
        Row("decode", OURS, "", 8, summary(800, 1.5), 0.8),
        Row("decode", OURS, "gRPC", 8, summary(700, 1.7), 0.7),
        Row("decode", "Other", "", 8, summary(400, 3.0), 0.4),
        Row("decode", "Other", "", 32, summary(300, 3.0), 0.3),
        Row("encode", "Other", "", 8, summary(10, 3.0), math.nan),
    ],
    ["Third: not measured"],
)


def test_systems_stand_beside_each_other_where_both_were_measured() -> None:
    text = to_markdown(RESULT)
    assert "| decode | 8 | Other | 2.00 | 0.50 |" in text
    beside, _, tables = text.partition("## decode")
    assert beside.count("Other") == 1
    assert "gRPC" not in beside
    assert "- Third: not measured" in beside
    assert "- date: some day" in beside
    assert "| ceiling, ORT + codec | 2 threads | 1000 | 1.00 | – | – | 1.00 |" in tables
    assert "| latentserve, gRPC | 8 | 700 | 0.70 | 2.0 | 4.0 | 1.70 | 699 to 701 |" in tables
    assert tables.index("## encode") > tables.index("| Other | 32 |")


def test_the_json_has_every_figure_and_null_for_none() -> None:
    rows = json.loads(to_json(RESULT))["rows"]
    assert len(rows) == len(RESULT.rows)
    assert (rows[0]["p95_ms"], rows[0]["rate"]) == (None, 1000)
    assert rows[5]["of_ceiling"] is None


def test_core_time_is_shared_by_images_and_not_by_requests() -> None:
    load = Load(times_s=[0.1, 0.3], images=128, seconds=0.5)
    found = measure_of(load, server_s=0.64, name="some server")
    assert (found.rate, found.core_ms, found.p50_ms, found.p95_ms) == (256, 5.0, 100.0, 300.0)


@pytest.mark.parametrize("load", [Load(), Load(times_s=[0.1], images=1, seconds=1, refused=1)])
def test_a_server_that_refuses_is_not_compared(load: Load) -> None:
    with pytest.raises(ServerError, match=r"some server .*refused"):
        measure_of(load, 1.0, "some server")

"""Figures count each request once, and only right answers have a latency."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from loadtests.outcomes import Outcome, Outcomes

ROWS = tuple(
    [Outcome("/v1/encode", ms / 10, float(ms), "ok", "") for ms in range(1, 101)]
    + [Outcome("/v1/shift", 0.5, 0.1, "shed", "status 429")] * 3
    + [Outcome("/v1/shift", 1.5, 9000.0, "failed", "status 500")] * 2
)


def test_figures_by_hand() -> None:
    encode, shift, total = Outcomes(10.0, ROWS).figures()
    assert (encode.path, encode.requests, encode.ok, encode.per_second) == (
        "/v1/encode",
        100,
        100,
        10,
    )
    assert (encode.p50_ms, encode.p95_ms) == (50.5, 95.05)
    assert (shift.requests, shift.ok, shift.shed, shift.failed) == (5, 0, 3, 2)
    assert math.isnan(shift.p50_ms)
    assert (total.path, total.requests, total.ok, total.failed) == ("all", 105, 100, 2)
    assert total.p99_ms == encode.p99_ms


def test_reasons_are_counted_by_endpoint() -> None:
    outcomes = Outcomes(10.0, ROWS)
    assert outcomes.reasons("failed") == [("/v1/shift: status 500", 2)]
    assert outcomes.reasons("shed") == [("/v1/shift: status 429", 3)]
    assert outcomes.reasons("ok") == [("/v1/encode: ", 100)]


def test_answers_fall_into_their_second() -> None:
    assert Outcomes(10.0, ROWS).answers_by_second() == [9, *[10] * 9]
    assert Outcomes(0.2, ()).answers_by_second() == [0]


@given(
    st.lists(
        st.builds(
            Outcome,
            st.sampled_from(["/a", "/b"]),
            st.floats(0, 5),
            st.floats(0, 1e4),
            st.sampled_from(["ok", "shed", "failed"]),
            st.text(max_size=5),
        )
    )
)
def test_nothing_is_lost_on_the_way(rows: list[Outcome]) -> None:
    outcomes = Outcomes(5.0, tuple(rows))
    assert Outcomes.from_json(outcomes.to_json()) == outcomes
    *parts, total = outcomes.figures()
    assert total.requests == len(rows) == sum(part.requests for part in parts)
    assert all(row.requests == row.ok + row.shed + row.failed for row in (*parts, total))

"""Figures count each request once, and only right answers have a latency."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from loadtests.outcomes import Outcome, Outcomes, Span

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


def test_each_second_has_its_percentile_and_its_users() -> None:
    outcomes = Outcomes(3.0, ROWS, (Span("a", 2, 0, 1.2), Span("b", 5, 1.2, 2.4)))
    assert outcomes.users_by_second() == [2, 5, 0]
    medians = outcomes.percentiles_by_second(50)
    assert medians == [5.0, 14.5, 24.5]
    assert math.isnan(Outcomes(1.0, ()).percentiles_by_second(95)[0])


def test_a_phase_counts_once_it_has_settled() -> None:
    (span, figures) = Outcomes(10.0, ROWS, (Span("a", 2, 0, 10),)).phases()[0]
    assert span.users == 2
    # From second 2 to 10: answers 20 to 99 of the hundred, none of the failures.
    assert (figures.requests, figures.ok, figures.per_second) == (80, 80, 10.0)
    assert figures.p50_ms == 59.5


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
    outcomes = Outcomes(5.0, tuple(rows), (Span("a", 1, 0.0, 5.0),), 2, "why")
    assert Outcomes.from_json(outcomes.to_json()) == outcomes
    *parts, total = outcomes.figures()
    assert total.requests == len(rows) == sum(part.requests for part in parts)
    assert all(row.requests == row.ok + row.shed + row.failed for row in (*parts, total))

"""Figures of tails, drifts and overloads, worked out by hand."""

from __future__ import annotations

import math

import pytest

from benchmarks.behaviour_figures import Overload, Tenth, drift, overload, tail
from benchmarks.behaviour_overload import overload_checks
from benchmarks.behaviour_report import Report, Table, at_least, at_most, between, to_markdown, told
from benchmarks.connections import LOST, Reply
from benchmarks.load import Load
from benchmarks.open_loop import Answered, Arrived


def answered(due_s: float, status: int = 200, seconds: float = 0.1) -> Answered:
    refused = status in {429, 503}
    return Answered(due_s, 0.01, Reply(status, seconds, float(refused), 0.4 * refused))


def example(first: list[Answered], fine: list[Answered] | None = None) -> Overload:
    pulse = Arrived(first, [], fine or [], client_s=0.5)
    before = Load(times_s=[0.1] * 7, seconds=0.5, client_s=0.1)
    after = Load(times_s=[0.1] * 13, seconds=1.5, client_s=0.3)
    return overload([before, after], pulse, max_queue_size=4, ramp_s=1.0, ends_s=2.0)


def test_a_tail_and_its_ratio() -> None:
    found = tail([0.001 * place for place in range(1, 101)], seconds=4.0)
    assert (found.rate, found.p50_ms, found.p95_ms, found.p99_ms) == (25.0, 50.0, 95.0, 99.0)
    assert found.ratio == pytest.approx(1.98)
    tenth = Tenth({"a": [0.1], "b": [0.2, 0.2]}, {"a": 1.0, "b": 4.0}, 1)
    assert (tenth.tail("b").rate, tenth.tail("b").p50_ms) == (0.5, 200.0)


def test_a_drift_is_of_the_ends_and_takes_no_notice_of_one_bad_tenth() -> None:
    assert drift([10.0] * 10) == 1.0
    assert drift([10.0, 10.0, 99.0, *[1.0] * 4, 20.0, 99.0, 20.0]) == 2.0
    assert drift([10.0]) == 1.0
    with pytest.raises(ValueError, match="tenth"):
        drift([])


def test_an_overload_counts_what_lies_between_its_ramp_and_its_end() -> None:
    found = example(
        [
            answered(0.5, seconds=0.2),  # lands within the ramp
            answered(0.9, seconds=0.3),  # lands after it
            answered(1.5, seconds=0.1),
            answered(1.6, 429, seconds=0.002),
            answered(1.7, 503, seconds=0.004),
            answered(1.9, seconds=0.6),  # lands in the calm
            answered(2.5, seconds=9.0),  # comes in the calm
        ],
        [answered(3.0), answered(3.1, 429)],
    )
    assert found.offered_rate == 3.0
    assert found.accepted_rate == 2.0
    assert found.refused_share == 0.5
    assert found.refusal_ms == pytest.approx(3.0)
    assert found.accepted_p99_ms == pytest.approx(600.0)
    assert found.bound_ms == 400.0
    assert found.told_s == 0.4
    assert found.late_p99_ms == pytest.approx(10.0)
    assert found.statuses == {200: 6, 429: 2, 503: 1}
    assert found.strange == 0
    assert found.came_back == {"Retry-After": (0, 0), "retry_after_s": (2, 1)}
    assert found.client_cores == pytest.approx(0.5 / 11.51)
    assert found.best_client_cores == 0.2
    assert found.accepted_share() == 0.2
    left = (2 - found.client_cores) / 1.8
    assert found.accepted_share(2) == pytest.approx(0.2 / left)


def test_a_lost_answer_and_an_unknown_status_are_strange() -> None:
    found = example([answered(1.2), answered(1.2, LOST), answered(1.3, 504), answered(1.4, 429)])
    assert found.strange == 2
    (line,) = [each for each in overload_checks([found]) if "other than" in each.question]
    assert (line.found, line.holds) == ("2", False)


def test_pulses_come_to_their_median_and_their_sum() -> None:
    few, some, many = (
        example([answered(1.0 + place / 100) for place in range(accepted)] + [answered(1.3, 504)])
        for accepted in (10, 19, 20)
    )
    checks = {each.question: each for each in overload_checks([many, few, some])}
    share = checks["overload: accepted rate / best rate"]
    assert (share.found, share.holds) == ("1.90", True)
    assert checks["overload: answers other than 200, 429, 503"].found == "3"


def test_a_pulse_that_refuses_nobody_takes_no_part_in_the_median_of_refusals() -> None:
    calm = example([answered(1.1)])
    full = example([answered(1.1), answered(1.2, 429, seconds=0.003)], [answered(3.0)])
    checks = {each.question: each for each in overload_checks([calm, full, calm])}
    assert checks["overload: median time of a refusal, ms"].found == "3.00"
    came_back = [each for question, each in checks.items() if "let in of 1" in question]
    assert [each.holds for each in came_back] == [True]


def test_nobody_refused_is_nothing_found_rather_than_a_success() -> None:
    found = example([answered(0.1 * place) for place in range(20)])
    assert math.isnan(found.refusal_ms)
    assert math.isnan(found.told_s)
    words = {each.question: each for each in overload_checks([found])}
    (refusal,) = [each for question, each in words.items() if "time of a refusal" in question]
    assert (refusal.found, refusal.holds) == ("nothing found", None)
    came_back = [each for question, each in words.items() if "let in of 0" in question]
    assert [each.holds for each in came_back] == [None, None]


def test_the_report_says_what_holds() -> None:
    report = Report(
        {"date": "some day"},
        [
            at_most("too much", 2.5, 2),
            at_most("little", 2.0, 2, digits=0),
            at_least("enough", 0.951, 0.95, digits=3),
            between("outside", 2.1, 0.5, 2),
            at_least("none", math.nan, 1),
            told("a figure", "7"),
        ],
        [Table("Some figures", ("a", "b"), [("1", "2")])],
        ["a remark"],
    )
    text = to_markdown(report)
    assert "- date: some day\n- a remark\n" in text
    assert "| too much | ≤ 2 | 2.50 | **no** |" in text
    assert "| little | ≤ 2 | 2 | yes |" in text
    assert "| enough | ≥ 0.95 | 0.951 | yes |" in text
    assert "| outside | 0.5 to 2 | 2.10 | **no** |" in text
    assert "| none | ≥ 1 | nothing found | – |" in text
    assert "| a figure | – | 7 | – |" in text
    assert text.endswith("## Some figures\n\n| a | b |\n|---|---:|\n| 1 | 2 |\n")

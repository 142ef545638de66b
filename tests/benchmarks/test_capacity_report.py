"""What follows from a measured rate is arithmetic, and the report states it."""

from __future__ import annotations

import pytest

from benchmarks.capacity_report import Comparison, Cost, Operation, Seen, report

ENCODE = Operation("encode", ("encoder",), b"", 2000)


def _rows(text: str, first: str) -> list[list[str]]:
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [cells for cells in lines if cells[0] == first]


def test_a_million_and_a_billion_follow_from_the_rate() -> None:
    cost = Cost(rate=1000.0, cpu_s=0.0009, graph_s=0.0003, client_s=0.0, received=300)
    text = report(["Capacity", "a machine"], {ENCODE: cost}, [], price=0.05)
    measured, priced = _rows(text, "encode")
    assert measured[1:] == ["1000", "90%", "0.90", "33%", "67%", "2000", "300"]
    # 10⁶ / 1000 s = 0.278 h; 10⁹ in a day are 11.6 cores; 10⁹ · 2000 bytes are 2000 GB.
    assert priced[1:] == ["0.28", "0.014", "278", "14", "11.6", "2000", "300"]
    assert text.startswith("# Capacity\n\n- a machine\n")


@pytest.mark.parametrize(("client_s", "core"), [(0.0, 0.5), (0.004, 0.9), (0.02, 1.0)])
def test_the_client_counts_where_it_shares_the_core(client_s: float, core: float) -> None:
    cost = Cost(rate=100.0, cpu_s=0.005, graph_s=0.001, client_s=client_s, received=1)
    assert cost.core == pytest.approx(core)


def test_a_comparison_shows_both_sides() -> None:
    seen = Seen(1.5, 0.001, 0.01, 0.02), Seen(1.25, 0.002, 0.011, 0.021)
    cost = Cost(100.0, 0.01, 0.005, 0.0, 1)
    text = report(["Capacity"], {ENCODE: cost}, [Comparison("encode", 0.7, 70.0, *seen)], 0.04)
    (_, row, _) = _rows(text, "encode")
    pairs = ["1.50 / 1.25", "1.00 / 2.00", "10.0 / 11.0", "20.0 / 21.0"]
    assert row == ["encode", "0.7", "70", *pairs]

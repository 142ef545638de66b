"""A batch on its graph's thread: rows made there, run together, and handed to who waits."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.call import Call
from inference.errors import InferenceFailed, InvalidImage
from inference.ride import Finish, LazyRows, ride
from inference.ticket import Batch, Outputs, Part, Rows, Ticket


def row(value: float) -> np.ndarray:
    if value < 0:
        raise InvalidImage(f"{value} is no image")
    return np.array([value], np.float32)


def lazy(*values: float) -> LazyRows:
    return LazyRows([partial(row, value) for value in values])


def eager(*values: float) -> Rows:
    return np.array(values, np.float32).reshape(-1, 1)


def ticket(number: int, rows: Rows | LazyRows, finish: Finish | None = None) -> Ticket:
    return Ticket(number, rows, Call(), 0.0, finish)


def whole(*tickets: Ticket) -> Batch:
    parts = tuple(Part(each, 0, each.size) for each in tickets)
    return Batch(parts, sum(part.size for part in parts), 0.0)


def double(rows: Rows) -> Outputs:
    return (rows * 2,)


def values(outcome: Outputs | Exception) -> list[float]:
    assert not isinstance(outcome, Exception)
    found: list[float] = outcome[0].ravel().tolist()
    return found


def test_lazy_and_eager_rows_ride_together() -> None:
    landings = ride(whole(ticket(1, lazy(1, 2)), ticket(2, eager(3))), double)

    assert [values(each.outcome) for each in landings] == [[2, 4], [6]]
    assert landings[0].made_s > 0
    assert landings[1].made_s == 0


def test_only_the_rows_of_a_part_are_made() -> None:
    made: list[int] = []

    def make(number: int) -> np.ndarray:
        made.append(number)
        return np.array([number], np.float32)

    rows = LazyRows([partial(make, number) for number in range(5)])
    batch = Batch((Part(ticket(1, rows), 1, 3),), 2, 0.0)

    assert values(ride(batch, double)[0].outcome) == [2, 4]
    assert made == [1, 2]


@given(st.lists(st.lists(st.integers(-3, 9), min_size=1, max_size=4), min_size=1, max_size=6))
def test_who_brings_a_broken_row_is_told_and_nobody_else_notices(wanted: list[list[int]]) -> None:
    ran: list[int] = []

    def run(rows: Rows) -> Outputs:
        ran.append(len(rows))
        return double(rows)

    tickets = [ticket(number, lazy(*each)) for number, each in enumerate(wanted)]
    landings = ride(whole(*tickets), run)

    good = [each for each in wanted if min(each) >= 0]
    assert ran == ([sum(map(len, good))] if good else [])
    for each, landing in zip(wanted, landings, strict=True):
        if min(each) >= 0:
            assert values(landing.outcome) == [2 * value for value in each]
        else:
            first = next(value for value in each if value < 0)
            assert isinstance(landing.outcome, InvalidImage)
            assert str(first) in landing.outcome.message


def test_a_lone_ticket_is_copied_neither_in_nor_out() -> None:
    rows, seen = eager(1, 2), []

    def run(given: Rows) -> Outputs:
        seen.append(given)
        return (given,)

    (landing,) = ride(whole(ticket(1, rows)), run)
    assert not isinstance(landing.outcome, Exception)
    assert np.shares_memory(seen[0], rows)
    assert np.shares_memory(landing.outcome[0], rows)


def test_a_finish_has_its_own_outputs_and_its_time() -> None:
    got: list[list[float]] = []
    finish = Finish(lambda outputs: got.append(values(outputs)))

    ride(whole(ticket(1, eager(1)), ticket(2, lazy(2, 3), finish)), double)

    assert got == [[4, 6]]
    assert finish.done
    assert finish.seconds > 0
    assert finish.error is None


def test_a_finish_that_fails_keeps_its_error_for_its_caller() -> None:
    finish = Finish(lambda _: 1 // 0)

    landings = ride(whole(ticket(1, eager(1), finish), ticket(2, eager(2))), double)

    assert isinstance(finish.error, ZeroDivisionError)
    assert [values(each.outcome) for each in landings] == [[2], [4]]


def test_a_part_of_a_ticket_is_not_finished() -> None:
    finish = Finish(lambda _: pytest.fail("called with half of the rows"))
    batch = Batch((Part(ticket(1, eager(1, 2), finish), 0, 1),), 1, 0.0)

    ride(batch, double)

    assert not finish.done


def test_a_run_that_fails_is_everybodys() -> None:
    def fail(_: Rows) -> Any:
        raise RuntimeError("out of memory")

    finish = Finish(lambda _: pytest.fail("called without outputs"))
    with pytest.raises(RuntimeError, match="out of memory"):
        ride(whole(ticket(1, eager(1), finish)), fail)


def test_outputs_of_another_number_of_rows_are_refused() -> None:
    with pytest.raises(InferenceFailed, match="2 items"):
        ride(whole(ticket(1, eager(1)), ticket(2, lazy(2))), lambda rows: (rows[:1],))

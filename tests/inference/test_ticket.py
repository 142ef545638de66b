"""Tickets, parts and batches: slices where one is enough, one concatenation where it is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inference.call import Call
from inference.errors import InferenceFailed
from inference.ticket import Batch, BatchLimits, Part, Ticket, check_rows


def ticket(number: int, size: int, arrived: float = 0.0) -> Ticket:
    rows = np.arange(size, dtype=np.float32).reshape(size, 1) + 100 * number
    return Ticket(number, rows, Call(), arrived)


def test_a_ticket_alone_is_not_copied() -> None:
    one = ticket(1, 8)
    batch = Batch((Part(one, 2, 5),), 3, formed=0.0)

    assert batch.rows().tolist() == [[102], [103], [104]]
    assert np.shares_memory(batch.rows(), one.rows)


def test_several_tickets_become_one_array_in_their_order() -> None:
    batch = Batch((Part(ticket(2, 3), 1, 3), Part(ticket(1, 1), 0, 1)), 3, formed=0.0)

    assert batch.rows().tolist() == [[201], [202], [100]]
    assert batch.rows().dtype == np.float32


def test_a_batch_has_waited_as_long_as_its_oldest_ticket() -> None:
    parts = (Part(ticket(1, 1, arrived=3.0), 0, 1), Part(ticket(2, 1, arrived=2.0), 0, 1))

    assert Batch(parts, 2, formed=5.5).queue_s == 3.5


@pytest.mark.parametrize("shape", [(2, 4), (4, 4), ()])
def test_outputs_of_another_number_of_rows_are_refused_with_both_numbers(
    shape: tuple[int, ...],
) -> None:
    with pytest.raises(InferenceFailed, match=r"answered 3 items .* shape \(.*\)"):
        check_rows((np.zeros((3, 4)), np.zeros(shape)), 3)


def test_outputs_of_the_right_number_of_rows_pass() -> None:
    check_rows((np.zeros((3, 4)), np.zeros(3)), 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_batch_size", 0),
        ("max_queue_size", -1),
        ("max_queue_delay_ms", -0.5),
        ("max_queue_delay_ms", math.nan),
        ("max_queue_delay_ms", math.inf),
    ],
)
def test_limits_that_nothing_could_pass_are_refused(name: str, value: float) -> None:
    limits = {"max_batch_size": 4, "max_queue_size": 8, "max_queue_delay_ms": 0.0}

    with pytest.raises(ValueError, match=f"{name} is {value}"):
        BatchLimits(**{**limits, name: value})  # type: ignore[arg-type]

"""Admission: who comes in, who is turned away and why, and when the last one has left."""

from __future__ import annotations

import asyncio

import pytest

from inference.admission import Admission
from inference.call import Call
from inference.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotReady,
    ShuttingDown,
    TooManyItems,
)

NOW = 100.0


def door(*, ready: bool = True) -> Admission:
    admission = Admission(max_items=8, clock=lambda: NOW)
    if ready:
        admission.become_ready()
    return admission


def test_it_counts_items_until_they_are_answered() -> None:
    admission = door()

    with admission.admit(Call(), 3):
        assert admission.in_flight == 3
        with admission.admit(Call(), 8):
            assert admission.in_flight == 11

    assert admission.in_flight == 0


def test_a_failed_request_is_counted_out() -> None:
    admission = door()

    with pytest.raises(ZeroDivisionError), admission.admit(Call(), 3):
        raise ZeroDivisionError

    assert admission.in_flight == 0


def refusal(admission: Admission, items: int, call: Call | None = None) -> Exception:
    with pytest.raises(Exception) as refused, admission.admit(call or Call(), items):  # noqa: PT011  (who calls looks at its kind and words)
        pytest.fail("admitted")
    assert admission.in_flight == 0
    return refused.value


def test_before_warm_up_nobody_comes_in() -> None:
    admission = door(ready=False)
    assert admission.state == "starting"

    error = refusal(admission, 1)

    assert isinstance(error, NotReady)
    assert error.retry_after_s == 1.0


def test_while_draining_nobody_comes_in_and_it_stays_so() -> None:
    admission = door()
    admission.drain()
    admission.become_ready()

    assert admission.state == "draining"
    assert isinstance(refusal(admission, 1), ShuttingDown)


def test_a_drain_before_warm_up_never_becomes_ready() -> None:
    admission = door(ready=False)
    admission.drain()
    admission.become_ready()

    assert isinstance(refusal(admission, 1), ShuttingDown)


def test_too_many_items_are_refused_with_both_numbers() -> None:
    error = refusal(door(), 9)

    assert isinstance(error, TooManyItems)
    assert "9 items" in error.message
    assert "8 (max_items)" in error.message


@pytest.mark.parametrize("items", [0, -1])
def test_a_request_of_nothing_is_refused(items: int) -> None:
    assert isinstance(refusal(door(), items), InvalidRequest)


@pytest.mark.parametrize("late", [0.0, 0.25])
def test_a_deadline_that_has_passed_is_refused(late: float) -> None:
    error = refusal(door(), 1, Call(deadline=NOW - late))

    assert isinstance(error, DeadlineExceeded)
    assert f"{late * 1e3:.0f} ms before" in error.message


def test_a_deadline_to_come_is_admitted() -> None:
    with door().admit(Call(deadline=NOW + 0.001), 1):
        pass


async def test_drained_waits_for_the_last_one() -> None:
    admission = door()
    await admission.drained()
    first, second = admission.admit(Call(), 1), admission.admit(Call(), 2)
    first.__enter__()
    second.__enter__()
    admission.drain()
    drained = asyncio.ensure_future(admission.drained())

    first.__exit__(None, None, None)
    await asyncio.sleep(0)
    assert not drained.done()

    second.__exit__(None, None, None)
    await drained

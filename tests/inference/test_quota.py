"""The limit of a caller's key: counted over its requests, given back, and told with a time."""

from __future__ import annotations

import pytest

from inference.admission import Admission
from inference.call import Call
from inference.errors import InferenceFailed, QueueFull, TooManyItems


@pytest.fixture
def admission() -> Admission:
    admission = Admission(max_items=100, clock=lambda: 5.0)
    admission.become_ready()
    return admission


def shop() -> Call:
    return Call("shop", max_items=4)


def test_the_limit_counts_over_all_requests_of_a_name(admission: Admission) -> None:
    with admission.admit(shop(), 3), admission.admit(shop(), 1):
        with (
            pytest.raises(QueueFull, match=r"4 items of 'shop'.*brings 1 more.*may have 4") as told,
            admission.admit(shop(), 1),
        ):
            pass
        assert told.value.retry_after_s == 1.0
        assert told.value.details == {"limit": 4}
        with admission.admit(Call("other", max_items=4), 4), admission.admit(Call("bulk"), 90):
            assert admission.in_flight == 98
    assert admission.in_flight == 0
    with admission.admit(shop(), 4):
        pass


def test_what_never_fits_is_told_so(admission: Admission) -> None:
    with (
        pytest.raises(TooManyItems, match=r"holds 5 items, and the key of 'shop' may have 4"),
        admission.admit(shop(), 5),
    ):
        pass


def test_items_are_given_back_however_a_request_ends(admission: Admission) -> None:
    for _ in range(3):
        with pytest.raises(InferenceFailed), admission.admit(shop(), 4):
            raise InferenceFailed("no")
    with admission.admit(shop(), 4):
        pass


def test_the_time_to_come_back_is_measured() -> None:
    now = 0.0
    admission = Admission(max_items=100, clock=lambda: now)
    admission.become_ready()
    with admission.admit(shop(), 4):
        now = 2.0
    with (
        admission.admit(shop(), 2),
        pytest.raises(QueueFull, match=r"try again in 1\.00 s"),
        admission.admit(shop(), 3),
    ):
        pass

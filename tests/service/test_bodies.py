"""What all bodies of a worker hold together stays bounded, and is given back."""

from __future__ import annotations

import pytest

from inference.errors import QueueFull
from service.bodies import BODIES_AT_ONCE, Bodies


def test_bytes_are_held_until_their_request_ends() -> None:
    bodies = Bodies(100)
    with bodies.lease() as one, bodies.lease() as other:
        one(60)
        other(30)
        one(10)
        assert bodies.held == 100
    assert bodies.held == 0


def test_what_does_not_fit_beside_the_others_is_refused_and_not_held() -> None:
    bodies = Bodies(10)
    with bodies.lease() as first:
        first(10 * BODIES_AT_ONCE - 5)
        with bodies.lease() as second:
            second(3)
            with pytest.raises(QueueFull, match=r"hold 158 bytes, and 6 more.*160") as caught:
                second(6)
        assert caught.value.retry_after_s == 1.0
        assert bodies.held == 155
    assert bodies.held == 0


def test_one_caller_does_not_shut_another_out() -> None:
    bodies = Bodies(10)
    with bodies.lease("bulk") as bulk:
        bulk(100)
        with bodies.lease("bulk") as more:
            more(60)
            with bodies.lease("shop") as shop, pytest.raises(QueueFull):
                shop(5)
        with bodies.lease("bulk") as again:
            again(40)
            with pytest.raises(QueueFull):
                again(5)
            with bodies.lease("shop") as shop:
                shop(5)
                shop(5)
    assert bodies.held == 0
    with bodies.lease("bulk") as bulk:
        bulk(160)

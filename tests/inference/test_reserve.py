"""Room is kept for those who take little, whatever a greedy caller does."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import QueueFull
from inference.reserve import KEPT_S, Reserve
from tests.support.hand_queue import Harness


def test_one_caller_may_take_all_while_nobody_was_turned_away() -> None:
    reserve = Reserve()
    assert reserve.admits(16, mine=0, taken=0, callers=1, limit=16, now=0.0)
    assert not reserve.admits(1, mine=16, taken=16, callers=1, limit=16, now=0.0)
    assert reserve.admits(1, mine=15, taken=15, callers=1, limit=16, now=0.0)


def test_who_has_little_may_have_a_little_more() -> None:
    reserve = Reserve()
    room = {"limit": 64, "now": 0.0}
    assert not reserve.admits(1, mine=0, taken=64, callers=2, **room)
    # An eighth is 8 items: 4 for each of two callers.
    assert not reserve.admits(1, mine=56, taken=56, callers=2, **room)
    assert reserve.admits(1, mine=3, taken=60, callers=2, **room)
    assert not reserve.admits(1, mine=4, taken=61, callers=2, **room)


def test_an_eighth_is_kept_until_nobody_has_needed_it_for_a_while() -> None:
    reserve = Reserve()
    greedy = {"mine": 448, "taken": 448, "callers": 1, "limit": 512}
    modest = {"mine": 0, "taken": 448, "callers": 2, "limit": 512}
    assert reserve.admits(64, **greedy, now=0.0)
    assert not reserve.admits(1, mine=0, taken=512, callers=2, limit=512, now=1.0)
    # An empty room takes anything of one caller at once, and the eighth stays kept.
    assert reserve.admits(512, mine=0, taken=0, callers=1, limit=512, now=2.0)
    assert not reserve.admits(64, **greedy, now=3.0)
    # Somebody needs it: it is kept longer.
    assert reserve.admits(1, **modest, now=50.0)
    assert not reserve.admits(64, **greedy, now=50.0 + KEPT_S - 1)
    # It was there, and nobody came.
    assert reserve.admits(64, **greedy, now=50.0 + KEPT_S)


class Crowd:
    """A queue that one caller floods, and modest callers who have few items in it at a time."""

    def __init__(self, batch: int, room: int, greedy: list[int], modest: int) -> None:
        """Full of the greedy one's items, and a modest caller was turned away."""
        self.harness = Harness(max_batch_size=batch, max_queue_size=room)
        self.batch, self.room, self.greedy = batch, room, greedy
        self.waiting = {f"modest-{number}": 0 for number in range(modest)}
        # What modest callers and the greedy one may each have of the eighth.
        self.share = max(1, room // 8) // (modest + 1)
        while self.harness.queue.queued_items < room:
            self.harness.put(1, "greedy")
        with pytest.raises(QueueFull):
            self.harness.put(1, "modest-0")
        for _ in range(room // batch + 1):
            self.serve()
            self.flood()

    def flood(self) -> None:
        for size in self.greedy * (self.room // sum(self.greedy) + 1):
            with contextlib.suppress(QueueFull):
                self.harness.put(size, "greedy")

    def come(self, name: str) -> None:
        """One more item, if it keeps within the share; it is never refused."""
        if self.waiting[name] < self.share or not any(self.waiting.values()):
            self.harness.put(1, name)
            self.waiting[name] += 1

    def serve(self) -> None:
        """Every caller gets an equal part of the batch, or all that it has."""
        taken = self.harness.take()
        callers = 1 + sum(count > 0 for count in self.waiting.values())
        for name, count in self.waiting.items():
            mine = sum(part.size for part in taken.parts if part.ticket.call.caller == name)
            assert mine >= min(count, self.batch // callers)
            self.waiting[name] -= mine
        self.harness.double(taken)


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 64),
    room=st.integers(16, 64),
    greedy=st.lists(st.integers(1, 6), min_size=1, max_size=20),
    modest=st.integers(1, 3),
    data=st.data(),
)
def test_modest_callers_get_in_and_are_served_whatever_a_greedy_one_sends(
    batch: int, room: int, greedy: list[int], modest: int, data: st.DataObject
) -> None:
    crowd = Crowd(batch, room, greedy, modest)
    for _ in range(20):
        crowd.flood()
        crowd.come(data.draw(st.sampled_from(sorted(crowd.waiting))))
        if data.draw(st.booleans()):
            crowd.serve()

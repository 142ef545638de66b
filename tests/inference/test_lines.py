"""The order of service: fair between callers, first come first served within one."""

from __future__ import annotations

from itertools import count

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference.call import Call
from inference.lines import Lines
from inference.ticket import Part, Ticket

NUMBERS = count()


def ticket(caller: str, size: int, arrived: float = 0.0) -> Ticket:
    return Ticket(next(NUMBERS), np.zeros((size, 1)), Call(caller), arrived)


def lines(*tickets: Ticket) -> Lines:
    waiting = Lines()
    for one in tickets:
        waiting.add(one)
    return waiting


def by_caller(parts: list[Part]) -> dict[str, int]:
    items: dict[str, int] = {}
    for part in parts:
        caller = part.ticket.call.caller
        items[caller] = items.get(caller, 0) + part.size
    return items


def test_an_interactive_caller_rides_in_the_very_next_batch() -> None:
    waiting = lines(*(ticket("bulk", 256) for _ in range(4)), ticket("shop", 1))

    assert by_caller(waiting.take(32)) == {"bulk": 31, "shop": 1}


def test_what_one_leaves_of_its_share_goes_to_the_others() -> None:
    waiting = lines(ticket("a", 2), ticket("b", 100), ticket("c", 100))

    assert by_caller(waiting.take(32)) == {"a": 2, "b": 15, "c": 15}


def test_the_odd_item_goes_round() -> None:
    waiting = lines(ticket("a", 100), ticket("b", 100), ticket("c", 100))

    three = [by_caller(waiting.take(4)) for _ in range(3)]

    assert {caller: sum(items[caller] for items in three) for caller in "abc"} == dict.fromkeys(
        "abc", 4
    )


def test_more_callers_than_room_are_served_in_turn() -> None:
    waiting = lines(*(ticket(caller, 10) for caller in "abcde"))

    served = [sorted(by_caller(waiting.take(2))) for _ in range(5)]

    assert served == [["a", "b"], ["c", "d"], ["a", "e"], ["b", "c"], ["d", "e"]]


def test_within_a_line_the_oldest_goes_first_and_is_split() -> None:
    first, second = ticket("a", 5), ticket("a", 5)
    waiting = lines(first, second)

    assert waiting.take(3) == [Part(first, 0, 3)]
    assert waiting.take(3) == [Part(first, 3, 5), Part(second, 0, 1)]


def test_a_removed_ticket_gives_its_place_and_its_items() -> None:
    first, second = ticket("a", 5), ticket("b", 2)
    waiting = lines(first, second)
    waiting.take(2)

    waiting.remove(first)
    waiting.remove(first)

    assert waiting.of("a") == 0
    assert waiting.items == 1
    assert waiting.take(8) == [Part(second, 1, 2)]


def test_the_oldest_arrival_is_over_all_callers() -> None:
    waiting = lines(ticket("a", 1, arrived=3.0), ticket("b", 1, arrived=2.0))

    assert waiting.oldest_arrival == 2.0
    assert Lines().oldest_arrival is None


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 40)), min_size=1, max_size=20),
    st.integers(1, 33),
)
def test_every_batch_is_full_and_fair(programme: list[tuple[str, int]], room: int) -> None:
    tickets = [ticket(caller, size) for caller, size in programme]
    waiting = lines(*tickets)
    left = by_caller([Part(one, 0, one.size) for one in tickets])
    while left:
        parts = waiting.take(room)
        taken = by_caller(parts)
        assert sum(taken.values()) == min(room, sum(left.values()))
        assert len({part.ticket.number for part in parts}) == len(parts)
        for caller, items in left.items():
            assert taken.get(caller, 0) >= min(items, room // len(left))
        left = {c: n - taken.get(c, 0) for c, n in left.items() if n > taken.get(c, 0)}
    assert waiting.items == 0
    assert waiting.take(room) == []

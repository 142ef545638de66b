"""Turns: callers one after the other, nobody twice, nobody forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.turns import Turns


class Room:
    """Whoever has a turn holds it until the test lets go."""

    def __init__(self, at_once: int) -> None:
        """Nobody is in."""
        self.turns = Turns(at_once)
        self.went: list[str] = []
        self.inside: list[asyncio.Event] = []

    def come(self, caller: str) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self._stay(caller))

    async def _stay(self, caller: str) -> None:
        await self.turns.take(caller)
        leave = asyncio.Event()
        self.went.append(caller)
        self.inside.append(leave)
        try:
            await leave.wait()
        finally:
            self.inside.remove(leave)
            self.turns.pass_on()


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def test_a_caller_with_one_waits_for_one_turn_of_the_caller_with_many() -> None:
    room = Room(1)
    tasks = [room.come("bulk") for _ in range(20)]
    await settle()
    tasks.append(room.come("shop"))
    await settle()
    for _ in range(2):
        room.inside[0].set()
        await settle()
    assert room.went == ["bulk", "bulk", "shop"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_is_cancelled_in_the_moment_of_its_turn_passes_it_on() -> None:
    room = Room(1)
    first, second, third = (room.come(name) for name in "abc")
    await settle()
    room.inside[0].set()
    await asyncio.sleep(0)
    second.cancel()
    await settle()
    assert room.went == ["a", "c"]
    room.inside[0].set()
    await asyncio.gather(first, second, third, return_exceptions=True)


@settings(max_examples=60, deadline=None)
@given(
    at_once=st.integers(1, 3),
    steps=st.lists(
        st.tuples(st.sampled_from(["come", "leave", "cancel"]), st.integers(0, 50)), max_size=40
    ),
)
def test_turns_are_never_lost_and_never_too_many(
    at_once: int, steps: list[tuple[str, int]]
) -> None:
    async def play() -> None:
        room = Room(at_once)
        tasks: list[asyncio.Task[None]] = []
        for kind, number in steps:
            live = [task for task in tasks if not task.done()]
            if kind == "come":
                tasks.append(room.come("abc"[number % 3]))
            elif kind == "leave" and room.inside:
                room.inside[number % len(room.inside)].set()
            elif kind == "cancel" and live:
                live[number % len(live)].cancel()
            if number % 2:
                await settle()
            assert len(room.inside) <= at_once
        await settle()
        left = sum(not task.done() for task in tasks)
        assert len(room.inside) == min(at_once, left)
        while room.inside:
            room.inside[0].set()
            await settle()
        assert all(task.done() for task in tasks)

    asyncio.run(play())


async def test_turns_go_round_the_callers() -> None:
    room = Room(1)
    tasks = [room.come(name) for name in "xaaaaaabbbbbbcc"]
    await settle()
    while room.inside:
        room.inside[0].set()
        await settle()
    assert room.went[1:7] == ["a", "b", "c"] * 2
    assert Counter(room.went) == {"x": 1, "a": 6, "b": 6, "c": 2}
    await asyncio.gather(*tasks)

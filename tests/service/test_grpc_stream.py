"""A stream's answers keep the order of its requests, and its sender is held back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.grpc_stream import Stopped, in_order

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


async def numbers(count: int, read: list[int]) -> AsyncGenerator[int]:
    for number in range(count):
        read.append(number)
        yield number
        await asyncio.sleep(0)


@given(count=st.integers(0, 30), at_once=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
async def test_order_and_bound_hold_whatever_takes_longest(
    count: int, at_once: int, seed: int
) -> None:
    turns = np.random.default_rng(seed)
    read: list[int] = []
    working = answered = most = 0

    async def work(number: int) -> int:
        nonlocal working, most
        working += 1
        most = max(most, working)
        for _ in range(int(turns.integers(6))):
            await asyncio.sleep(0)
        working -= 1
        return 2 * number

    answers = in_order(numbers(count, read), work, at_once=at_once, stop=asyncio.Event())
    async for answer in answers:
        assert answer == 2 * answered
        answered += 1
        assert len(read) <= answered + at_once
    assert answered == len(read) == count
    assert most <= at_once


async def test_nothing_is_read_while_nobody_takes_answers() -> None:
    read: list[int] = []

    async def work(number: int) -> int:
        return number

    answers = in_order(numbers(100, read), work, at_once=3, stop=asyncio.Event())
    assert await anext(answers) == 0
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(read) == 3
    await answers.aclose()


async def test_told_to_stop_it_answers_what_it_has_read() -> None:
    stop = asyncio.Event()
    waits = asyncio.Event()

    async def requests() -> AsyncGenerator[int]:
        yield 1
        yield 2
        waits.set()
        await asyncio.Event().wait()

    async def work(number: int) -> int:
        await stop.wait()
        return number

    answers = in_order(requests(), work, at_once=9, stop=stop)
    first = asyncio.ensure_future(anext(answers))
    await waits.wait()
    stop.set()
    assert [await first, await anext(answers)] == [1, 2]
    with pytest.raises(Stopped):
        await anext(answers)


async def test_an_error_of_the_other_side_comes_after_the_answers() -> None:
    async def requests() -> AsyncGenerator[int]:
        yield 1
        raise ConnectionError("gone")

    async def work(number: int) -> int:
        return number

    answers = in_order(requests(), work, at_once=2, stop=asyncio.Event())
    assert await anext(answers) == 1
    with pytest.raises(ConnectionError):
        await anext(answers)


async def test_an_end_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    cancelled = 0
    started = asyncio.Event()

    async def work(number: int) -> int:
        nonlocal cancelled
        if number == 0:
            return number
        if number == 4:
            started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled += 1
        return number

    answers = in_order(numbers(9, []), work, at_once=5, stop=asyncio.Event())
    assert await anext(answers) == 0
    await started.wait()
    await answers.aclose()
    assert cancelled == 4
    assert asyncio.all_tasks() == before

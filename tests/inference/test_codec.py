"""Codec threads: bounded, measured, and closed without loss."""

from __future__ import annotations

import asyncio
import threading

import pytest

from inference.call import Call
from inference.codec import CodecPool
from inference.errors import InvalidImage, QueueFull, ShuttingDown, TooManyItems


async def test_a_result_comes_from_another_thread_and_is_measured() -> None:
    pool, call = CodecPool(1, max_waiting=8), Call()
    assert await pool.run(call, threading.get_ident) != threading.get_ident()
    first = call.codec_s
    assert first > 0
    assert await pool.run(call, int, "ff", base=16) == 255
    assert call.codec_s > first
    await pool.aclose()


async def test_an_error_comes_through_and_its_time_counts() -> None:
    pool, call = CodecPool(1, max_waiting=8), Call()

    def refuse() -> None:
        raise InvalidImage("damaged")

    with pytest.raises(InvalidImage, match="damaged"):
        await pool.run(call, refuse)
    assert call.codec_s > 0
    await pool.aclose()


async def test_no_more_functions_run_than_there_are_threads() -> None:
    pool, call = CodecPool(2, max_waiting=8), Call()
    gate, lock = threading.Semaphore(0), threading.Lock()
    running = most = 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.acquire()
        with lock:
            running -= 1

    tasks = [asyncio.create_task(pool.run(call, work)) for _ in range(8)]
    await asyncio.sleep(0)
    for _ in tasks:
        gate.release()
    await asyncio.gather(*tasks)
    assert 1 <= most <= 2
    await pool.aclose()


async def test_who_is_cancelled_before_its_turn_costs_nothing() -> None:
    pool = CodecPool(1, max_waiting=8)
    started, gate = threading.Event(), threading.Event()
    ran = []

    def first() -> None:
        started.set()
        gate.wait(10)

    busy = asyncio.create_task(pool.run(Call(), first))
    await asyncio.to_thread(started.wait, 10)
    left = asyncio.create_task(pool.run(Call(), ran.append, 1))
    await asyncio.sleep(0)
    left.cancel()
    # The thread is let go only once the cancellation has gone through.
    with pytest.raises(asyncio.CancelledError):
        await left
    gate.set()
    await busy
    await pool.aclose()
    assert ran == []


async def test_closing_waits_for_what_runs_and_refuses_what_comes() -> None:
    pool = CodecPool(1, max_waiting=8)
    tasks = [asyncio.create_task(pool.run(Call(), sum, (1, 2))) for _ in range(5)]
    await asyncio.sleep(0)
    await pool.aclose()
    assert await asyncio.gather(*tasks) == [3] * 5
    with pytest.raises(ShuttingDown):
        await pool.run(Call(), sum, (1, 2))


async def test_room_is_counted_in_waiting_functions() -> None:
    pool = CodecPool(1, max_waiting=3)
    pool.check_room(Call(), 100)
    gate = threading.Event()
    tasks = [asyncio.create_task(pool.run(Call(), gate.wait, 10)) for _ in range(2)]
    await asyncio.sleep(0)
    pool.check_room(Call(), 1)
    with pytest.raises(QueueFull, match=r"2 images wait.*brings 2 more.*limit is 3") as caught:
        pool.check_room(Call(), 2)
    assert caught.value.retry_after_s == 1.0
    tasks[1].cancel()
    await asyncio.sleep(0)
    pool.check_room(Call(), 2)
    gate.set()
    assert await tasks[0]
    assert pool.waiting == 0
    await pool.aclose()


async def test_a_flood_of_one_caller_neither_delays_another_nor_shuts_it_out() -> None:
    pool = CodecPool(1, max_waiting=16)
    gate, ran = threading.Semaphore(0), []

    def work(caller: str) -> None:
        gate.acquire()
        ran.append(caller)

    def come(caller: str) -> asyncio.Task[None]:
        call = Call(caller)
        pool.check_room(call)
        return asyncio.create_task(pool.run(call, work, caller))

    tasks = []
    for _ in range(16):
        tasks.append(come("bulk"))
        await asyncio.sleep(0)
    with pytest.raises(QueueFull):
        come("shop")
    gate.release()
    await tasks[0]
    with pytest.raises(QueueFull):
        come("bulk")
    tasks.append(come("shop"))
    await asyncio.sleep(0)
    for _ in range(16):
        gate.release()
    await asyncio.gather(*tasks)
    # Two turns were given before it came, and one of the other's comes first.
    assert "shop" in ran[:5]
    await pool.aclose()


async def test_the_limit_of_a_caller_counts_its_codecs() -> None:
    pool, limited = CodecPool(1, max_waiting=16), Call("shop", max_items=2)
    gate = threading.Event()
    with pytest.raises(TooManyItems, match=r"holds 3 items.*may have 2"):
        pool.check_room(limited, 3)
    task = asyncio.create_task(pool.run(limited, gate.wait, 10))
    await asyncio.sleep(0)
    pool.check_room(limited, 1)
    with pytest.raises(QueueFull, match="may have 2 at a time"):
        pool.check_room(limited, 2)
    gate.set()
    assert await task
    pool.check_room(limited, 2)
    await pool.aclose()

"""A worker's life: opened, warmed up, drained by a signal, closed; and one that cannot run."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from bundle import BundleError
from inference.call import Call
from inference.errors import NotReady, ShuttingDown
from service.runtime import Runtime
from service.settings import Settings
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from types import FrameType


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    return Runtime(Settings(bundle=bundle, device="cpu", threads=1))


@pytest.fixture
def received() -> Generator[list[int]]:
    """Signals that reach the server's own handler, which is put back at the end."""
    seen: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        seen.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, note)
    yield seen
    for number, handler in before.items():
        signal.signal(number, handler)


def test_there_is_no_engine_before_it_is_opened(runtime: Runtime) -> None:
    with pytest.raises(NotReady):
        _ = runtime.engine


def test_a_missing_bundle_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle at"):
        Runtime(Settings(bundle=tmp_path / "none")).open()


async def test_it_becomes_ready_and_can_be_closed(runtime: Runtime) -> None:
    runtime.open()
    assert runtime.engine.admission.state == "starting"
    runtime.start()
    await runtime.ready()
    assert runtime.engine.admission.state == "ready"
    await runtime.aclose()
    with pytest.raises(ShuttingDown):
        await runtime.engine.sample(1, Call())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_then_reaches_the_server(
    number: int, runtime: Runtime, received: list[int]
) -> None:
    runtime.open()
    runtime.start()
    await runtime.ready()
    runtime.drain_at_signal()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(runtime.draining.wait(), 5)
    assert runtime.state == "draining"
    assert runtime.engine.admission.state == "ready"
    assert received == [number]
    await runtime.aclose()


async def test_who_waits_for_readiness_is_let_go_by_a_drain(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.open()

    async def wait() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(runtime.engine, "warm_up", wait)
    runtime.start()
    waiting = asyncio.create_task(runtime.ready())
    await asyncio.sleep(0)
    assert not waiting.done()
    runtime.drain()
    await asyncio.wait_for(waiting, 5)
    assert runtime.state == "draining"
    await runtime.aclose()


async def test_a_failed_warm_up_ends_the_worker(
    runtime: Runtime, received: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    runtime.open()

    async def fail() -> None:
        raise RuntimeError("the graph does not run")

    runtime.engine.warm_up = fail  # type: ignore[method-assign]
    runtime.start()
    await runtime.ready()
    assert received == [signal.SIGTERM]
    assert "the graph does not run" in caplog.text
    await runtime.aclose()


async def test_it_can_be_closed_while_it_warms_up(runtime: Runtime) -> None:
    runtime.open()

    async def forever() -> None:
        await asyncio.Event().wait()

    runtime.engine.warm_up = forever  # type: ignore[method-assign]
    runtime.start()
    await asyncio.sleep(0)
    await asyncio.wait_for(runtime.aclose(), 5)


async def test_a_second_signal_after_the_end_still_reaches_the_server(
    runtime: Runtime, received: list[int]
) -> None:
    over = asyncio.new_event_loop()
    over.close()
    runtime._loop = over
    runtime.drain_at_signal()
    os.kill(os.getpid(), signal.SIGTERM)
    assert received == [signal.SIGTERM]

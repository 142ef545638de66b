"""Several workers at one socket: each takes its share, and nobody waits for one that is stuck."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

if sys.platform != "linux":
    pytest.skip("shares memory as Linux does", allow_module_level=True)

from service import accepting
from service.accepting import TALLY, FairLoop, Tally, offer_tally
from tests.support.certificates import issue
from tests.support.teller import Teller

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

# A loop that cannot be closed waits inside libuv, where no signal ends a test.
pytestmark = pytest.mark.timeout(60, method="thread")

PLACES = 3 + 4
TIMEOUT_S = 20.0
LONG = 60_000
"""Pauses: longer than any test waits."""


@pytest.fixture(name="path", autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Memory for three workers."""
    monkeypatch.setenv(TALLY, "")
    del os.environ[TALLY]
    offer_tally(3)
    path = os.environ[TALLY]
    yield path
    os.close(int(path.rpartition("/")[2]))


@pytest.fixture(name="listening")
def _listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@contextmanager
def worker(listening: socket.socket, *, patience: int = LONG) -> Iterator[subprocess.Popen[str]]:
    """A process that takes connections from ``listening``."""
    words = [sys.executable, "-m", "tests.support.teller", str(listening.fileno()), str(patience)]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, pass_fds=[listening.fileno()]
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def calls(
    stack: ExitStack, listening: socket.socket, count: int
) -> list[tuple[socket.socket, int]]:
    """So many callers at the same time, each with the process that it reached."""
    address = listening.getsockname()
    callers = [
        stack.enter_context(socket.create_connection(address, timeout=TIMEOUT_S))
        for _ in range(count)
    ]
    return [(caller, int(caller.recv(20))) for caller in callers]


def test_connections_are_dealt_evenly(listening: socket.socket) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(listening)).pid for _ in range(3)]
        for count in (2, 30):
            with ExitStack() as callers:
                found = Counter(pid for _, pid in calls(callers, listening, count))
                assert set(found) <= set(workers)
                assert max(found.values()) <= count // 3 + 2
                assert len(found) == min(count, 3)


def test_who_lost_callers_gets_the_next_ones(listening: socket.socket) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(worker(listening))
        found = calls(stack, listening, 9)
        lightest = found[0][1]
        lost = [caller for caller, pid in found if pid == lightest]
        for caller in lost:
            caller.close()
        # It takes a moment to notice that they left; the others have patience.
        time.sleep(0.2)
        found = calls(stack, listening, len(lost))
        assert [pid for _, pid in found] == [lightest] * len(lost)


def test_nobody_waits_for_a_worker_that_is_stuck(listening: socket.socket) -> None:
    with ExitStack() as stack:
        stuck, other = (stack.enter_context(worker(listening, patience=3)) for _ in range(2))
        calls(stack, listening, 2)
        stuck.send_signal(signal.SIGSTOP)
        assert [pid for _, pid in calls(stack, listening, 40)] == [other.pid] * 40


def test_a_killed_worker_is_counted_no_more(listening: socket.socket) -> None:
    with ExitStack() as stack:
        with worker(listening) as killed:
            kept = stack.enter_context(worker(listening))
            calls(stack, listening, 4)
        assert killed.returncode == -signal.SIGKILL
        # With all its patience it would wait for longer than the callers do.
        assert [pid for _, pid in calls(stack, listening, 4)] == [kept.pid] * 4


def test_who_has_more_than_another_leaves_the_socket_alone(path: str) -> None:
    first, second = Tally(path), Tally(path)
    assert not first.has_more()
    first.count(1)
    assert (first.has_more(), second.has_more()) == (True, False)
    second.count(1)
    assert not first.has_more()
    first.count(31)
    second.count(28)
    assert not first.has_more()
    first.count(1)
    assert first.has_more()
    second.leave()
    assert not first.has_more()


def test_places_are_as_many_as_workers_may_be_and_the_dead_leave_theirs(path: str) -> None:
    code = "import sys; from service.accepting import Tally; Tally(sys.argv[1]).count(5)"
    subprocess.run([sys.executable, "-c", code, path], check=True)
    taken = [Tally(path) for _ in range(PLACES)]
    assert not any(tally.has_more() for tally in taken)
    with pytest.raises(OSError, match=f"all {PLACES} places of workers are taken"):
        Tally(path)


def test_one_worker_needs_no_tally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TALLY)
    offer_tally(1)
    assert TALLY not in os.environ


def within(work: Coroutine[None, None, None]) -> None:
    """Run ``work`` on a loop that shares its sockets."""
    with asyncio.Runner(loop_factory=FairLoop) as runner:
        runner.run(asyncio.wait_for(work, TIMEOUT_S))


async def ask(listening: socket.socket, tls: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection(*listening.getsockname(), ssl=tls)
    line = await reader.readline()
    writer.close()
    # The other side takes a moment to close, too.
    await asyncio.sleep(0.1)
    return line


def test_a_handshake_that_fails_is_no_connection(
    listening: socket.socket, path: str, tmp_path: Path
) -> None:
    files = issue(tmp_path / "tls")
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(files.cert, files.key)
    ours = ssl.create_default_context(cafile=str(files.ca))
    ours.check_hostname = False

    async def work() -> None:
        beside = Tally(path)
        beside.count(1)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        server = await loop.create_server(Teller, sock=listening, ssl=theirs)
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(b"no handshake at all\n")
            await reader.read()
            writer.close()
        reader, writer = await asyncio.open_connection(*listening.getsockname(), ssl=ours)
        assert await reader.readline() == b"%d\n" % os.getpid()
        # One here and one there: neither has more.
        assert not beside.has_more()
        writer.close()
        await asyncio.sleep(0.1)
        assert beside.has_more()
        server.close()

    within(work())


class ShortOfFiles(socket.socket):
    """Gives no connection for the first times."""

    left = 2

    def accept(self) -> tuple[socket.socket, object]:
        if self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_a_worker_without_files_to_open_rests_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accepting, "REST_S", 0.05)

    async def work() -> None:
        with ShortOfFiles() as sock:
            sock.bind(("127.0.0.1", 0))
            server = await asyncio.get_running_loop().create_server(Teller, sock=sock)
            assert await ask(sock) == b"%d\n" % os.getpid()
            server.close()

    within(work())
    assert [record.getMessage() for record in caplog.records] == [
        "no connection can be taken for 0.05 s: [Errno 24] Too many open files"
    ] * 2


def test_a_closed_server_takes_nobody_and_keeps_whom_it_has(
    listening: socket.socket, path: str
) -> None:
    async def work() -> None:
        beside = Tally(path)
        beside.count(5)
        server = await asyncio.get_running_loop().create_server(Teller, sock=listening)
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        assert await reader.readline() == b"%d\n" % os.getpid()
        assert beside.has_more()
        server.close()
        await server.wait_closed()
        assert not beside.has_more()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        assert not reader.at_eof()
        with socket.create_connection(listening.getsockname()):
            await asyncio.sleep(0.1)
            # Nobody took it: it waits at the socket.
            taken, _ = listening.accept()
            taken.close()
        writer.close()
        await asyncio.sleep(0.1)

    within(work())


def test_a_loop_can_be_closed_while_it_serves(listening: socket.socket, path: str) -> None:
    beside = Tally(path)
    beside.count(1)

    async def work() -> None:
        await asyncio.get_running_loop().create_server(Teller, sock=listening)
        assert beside.has_more()

    within(work())
    assert not beside.has_more()


@pytest.mark.parametrize("path", ["/proc/self/fd/9999", ""], ids=["gone", "none"])
def test_without_a_tally_the_loop_serves_as_any(
    listening: socket.socket,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(TALLY, path)
        if not path:
            patch.delenv(TALLY)

        async def work() -> None:
            server = await asyncio.get_running_loop().create_server(Teller, sock=listening)
            assert await ask(listening) == b"%d\n" % os.getpid()
            server.close()
            await server.wait_closed()

        within(work())
    assert [record.message[:54] for record in caplog.records] == [
        "connections are shared among workers as they come: [Er"
    ] * bool(path)

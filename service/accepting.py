"""Which of several workers takes a new connection: the one that has fewest.

one listening socket, N workers → connections of each, in memory that all share → who takes the next

Left to the system, whoever wakes first takes all that wait: most of 32 connections may end at one
worker of two, and the other's core idles for as long as they live. Here a worker that has more
than the others leaves the socket alone for a moment, and takes what is still there after a few:
nobody waits longer for a worker that is stuck.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import mmap
import os
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import uvloop

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable
    from ssl import SSLContext

logger = logging.getLogger("latentserve")
TALLY = "LATENTSERVE_TALLY"
"""The environment variable that tells workers where the shared memory is; no setting."""
PAUSE_S = 0.001
PATIENCE = 20
"""Pauses after which a worker takes connections although others have fewer."""
AT_ONCE = 32
"""So many it takes then."""
REST_S = 1.0
"""How long none are taken when files or memory run out: others must close first."""
_SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_SPARE = 4
"""Places beyond one for each worker: a new one may start while an old one drains."""


class Tally:
    """Connections of each worker of one server.

    Each worker has a place, process and connections, that no other writes. That of a process
    that ended is free.
    """

    def __init__(self, path: str) -> None:
        """Take a place in the memory at ``path``, which `offer_tally` made.

        Raises:
            OSError: There is no such memory, or no place in it.
        """
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            table = np.frombuffer(mmap.mmap(file, 0), np.int64).reshape(-1, 2)
            self._workers, self._connections = table.T
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                self._own = self._take_place()
            finally:
                # Closing alone would not do: the mapping holds the file, and with it the lock.
                fcntl.flock(file, fcntl.LOCK_UN)
        finally:
            os.close(file)

    def _take_place(self) -> int:
        free = [row for row, worker in enumerate(self._workers) if not _lives(worker)]
        if not free:
            raise OSError(f"all {len(self._workers)} places of workers are taken")
        self._connections[free[0]] = 0
        self._workers[free[0]] = os.getpid()
        return free[0]

    def count(self, change: int) -> None:
        """So many connections more."""
        self._connections[self._own] += change

    def has_more(self) -> bool:
        """Whether this worker has more connections than another that takes any.

        Of many, a few more count as none, so that many that come at once need not wait.
        """
        others = [
            int(self._connections[row])
            for row, worker in enumerate(self._workers)
            if row != self._own and _lives(worker)
        ]
        fewest = min(others, default=None)
        return fewest is not None and int(self._connections[self._own]) > fewest + fewest // 8

    def leave(self) -> None:
        """Take no more connections."""
        self._workers[self._own] = 0


def offer_tally(workers: int) -> None:
    """Make memory for the processes that this one will start, if there will be several."""
    if workers > 1 and TALLY not in os.environ:
        file = os.memfd_create("latentserve-tally")
        os.ftruncate(file, 2 * np.dtype(np.int64).itemsize * (workers + _SPARE))
        # It lives as long as this process.
        os.environ[TALLY] = f"/proc/{os.getpid()}/fd/{file}"


class FairServer:
    """Takes connections from a socket that other workers listen at, too.

    It has of `asyncio.Server` what uvicorn asks for.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: Callable[[], asyncio.Protocol],
        sock: socket.socket,
        tally: Tally,
        ssl: SSLContext | None,
    ) -> None:
        """Begin; ``sock`` listens already."""
        self._loop, self._protocol, self._sock, self._ssl = loop, protocol, sock, ssl
        self._tally, self._pauses, self._closed = tally, 0, False
        self._pause: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[None]] = set()
        loop.add_reader(sock, self._somebody_waits)

    def close(self) -> None:
        """Take no more connections; those that are open stay."""
        if self._closed:
            return
        self._closed = True
        if self._pause is None:
            self._loop.remove_reader(self._sock)
        else:
            self._pause.cancel()
        self._tally.leave()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    def _somebody_waits(self) -> None:
        if not self._tally.has_more():
            self._pauses = 0
            self._take(1)
        elif self._pauses < PATIENCE:
            self._pauses += 1
            self._rest(PAUSE_S)
        else:
            self._pauses = 0
            self._take(AT_ONCE)

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._sock)
        self._pause = self._loop.call_later(seconds, self._look_again)

    def _look_again(self) -> None:
        self._pause = None
        self._loop.add_reader(self._sock, self._somebody_waits)

    def _take(self, most: int) -> None:
        for _ in range(most):
            try:
                connection, _ = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return  # Another worker was faster, or the caller gave up.
            except OSError as error:
                if error.errno not in _SHORT_OF:
                    raise
                logger.warning("no connection can be taken for %g s: %s", REST_S, error)
                self._rest(REST_S)
                return
            connection.settimeout(0)
            task = self._loop.create_task(self._open(connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        self._tally.count(1)
        lost = False

        def lose() -> None:
            nonlocal lost
            self._tally.count(0 if lost else -1)
            lost = True

        def protocol() -> asyncio.Protocol:
            made = self._protocol()
            theirs = made.connection_lost

            def connection_lost(error: Exception | None) -> None:
                lose()
                theirs(error)

            made.connection_lost = connection_lost  # type: ignore[assignment,method-assign]  # of this one connection, to count its end
            return made

        try:
            await self._loop.connect_accepted_socket(protocol, connection, ssl=self._ssl)
        except OSError:
            lose()  # A handshake that failed: the caller's own fault, as with any server.


class FairLoop(uvloop.Loop):
    """uvloop, but that a socket which several workers share is shared fairly."""

    def __init__(self) -> None:
        """Nothing is served yet."""
        super().__init__()
        self._fair: list[FairServer] = []

    async def create_server(  # type: ignore[override]  # any more words are uvloop's
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        *args: Any,  # noqa: ANN401  (uvloop's own)
        sock: socket.socket | None = None,
        ssl: SSLContext | None = None,
        backlog: int = 100,
        **words: Any,  # noqa: ANN401  (as above)
    ) -> asyncio.AbstractServer:
        """As `asyncio.loop.create_server`."""
        tally = None if sock is None else _tally()
        if sock is None or tally is None:
            return await super().create_server(
                protocol_factory, *args, sock=sock, ssl=ssl, backlog=backlog, **words
            )
        sock.settimeout(0)
        sock.listen(backlog)
        server = FairServer(self, protocol_factory, sock, tally, ssl)
        self._fair.append(server)
        return cast("asyncio.AbstractServer", server)

    def close(self) -> None:
        """As `asyncio.loop.close`; who still takes connections ends, for whom it would wait."""
        for server in self._fair:
            server.close()
        super().close()


def fair_loop(**_options: bool) -> Callable[[], asyncio.AbstractEventLoop]:
    """What uvicorn makes its event loop with, whatever it says of subprocesses."""
    return FairLoop


def _tally() -> Tally | None:
    """This worker's place; None if it works alone."""
    path = os.environ.get(TALLY)
    if path is None:
        return None
    try:
        return Tally(path)
    except (OSError, ValueError) as error:
        logger.warning("connections are shared among workers as they come: %s", error)
        return None


def _lives(worker: int) -> bool:
    """Whether a process of this number exists; 0 is none."""
    if not worker:
        return False
    try:
        os.kill(worker, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True

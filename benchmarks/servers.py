"""Servers of our own for the length of a measurement: real processes, and what CPU they used.

    command, port, path of health → process group → Served(address, CPU seconds) → ended for certain

Knows no route but that of health.

1. A server and all that it started end with the block, whether asleep or in other sessions.
2. CPU seconds are those of the whole tree of processes: supervisors and workers alike.
3. A server that sleeps uses no CPU: what it polls for is not taken from the one that is measured.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from loadtests.client import OK, ServerError, request
from loadtests.own_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
START_S = 120.0
STOP_S = 10.0
_POLL_S = 0.1
_LOG_TAIL = 2000


@dataclass
class Served:
    """A server that is ready.

    Attributes:
        name: What tables call it.
        http: ``host:port`` of HTTP.
        grpc: ``host:port`` of gRPC; empty if it has none.
        process: The first of its processes.
    """

    name: str
    http: str
    grpc: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU seconds of all its processes until now."""
        total = 0.0
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def resident_bytes(self) -> int:
        """Resident memory of all its processes now; what they share counts for each."""
        total = 0
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def sleep(self) -> None:
        """Stop all its processes where they are."""
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run during the block, and sleep afterwards."""
        # From the leaves on: a supervisor shall find its workers running.
        for process in reversed(self._tree()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        try:
            yield
        finally:
            self.sleep()

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an exception, so that no server outlives this process."""

    def leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (the handler's signature)
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def latentserve(bundle: Path, folder: Path, *options: str) -> Iterator[Served]:
    """``latentserve serve`` with ``options``; its log goes into ``folder``."""
    port, grpc_port = free_port(), free_port()
    command = [
        *(sys.executable, "-m", "cli.main", "serve", "--bundle", str(bundle)),
        *("--host", "127.0.0.1", "--port", str(port), "--grpc-port", str(grpc_port), *options),
    ]
    # The caller's own settings must not change what is measured.
    bare = {name: text for name, text in os.environ.items() if not name.startswith("LATENTSERVE_")}
    with serving(
        "latentserve", command, folder / f"latentserve-{port}.log", port=port, environment=bare
    ) as served:
        served.grpc = f"127.0.0.1:{grpc_port}"
        yield served


@contextlib.contextmanager
def serving(
    name: str,
    command: Sequence[str],
    log: Path,
    *,
    port: int,
    ready: str = "/readyz",
    environment: Mapping[str, str],
) -> Iterator[Served]:
    """Run ``command`` until the block ends; it must listen on ``port`` of 127.0.0.1.

    Args:
        name: What tables call it.
        command: The program and its arguments; it runs in the repository's folder.
        log: File for what it prints.
        port: Where it listens.
        ready: Path that gives 200 once it is ready.
        environment: All of it.

    Raises:
        ServerError: It did not become ready; the message ends with the last of its log.
    """
    paths = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    more = {"PYTHONPATH": os.pathsep.join(paths), "BENTOML_DO_NOT_TRACK": "True"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**environment, **more},
            start_new_session=True,
        )
        try:
            _wait(name, f"http://127.0.0.1:{port}", ready, process, log)
            yield Served(name, f"127.0.0.1:{port}", "", psutil.Process(process.pid))
        finally:
            _end(process)


def _wait(name: str, host: str, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(ServerError):
            if request(host, "GET", path, timeout_s=2.0).status == OK:
                return
        time.sleep(_POLL_S)
    why = f"was not ready after {START_S:.0f} s"
    if process.poll() is not None:
        why = f"ended with status {process.poll()} before it was ready"
    shown = log.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
    raise ServerError(f"{name} {why}; the end of its log:\n{shown}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server politely, and what is left of its tree for certain."""
    tree: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        tree = [first, *first.children(recursive=True)]
    # What sleeps cannot end; and a supervisor's workers may have sessions of their own.
    for each in reversed(tree):
        with contextlib.suppress(psutil.NoSuchProcess):
            each.resume()
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    for each in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(tree[1:], timeout=STOP_S)

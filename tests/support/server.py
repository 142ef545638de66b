"""A real `latentserve serve` in a process of its own, on ports that nothing else asks for.

A port of the system's choosing may be somebody's outgoing connection by the time that a worker
binds it, with tests running side by side. These are below those that systems give away, and each
process of the test run has its own.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

START_S = 60.0


@dataclass
class Server:
    """A server that is ready.

    Attributes:
        url: Of HTTP.
        grpc: Address of gRPC.
        line: The one line that it printed.
        process: The command's own process.
    """

    url: str
    grpc: str
    line: str
    process: subprocess.Popen[str]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it as a terminal does; its exit code, and what it printed since it was ready."""
        os.killpg(self.process.pid, number)
        printed, _ = self.process.communicate(timeout=30)
        return self.process.returncode, printed


_numbers = itertools.count()


def _ports(words: Sequence[str]) -> list[str]:
    """Flags for both ports, but for what ``words`` give."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    flags = []
    for flag in ("--port", "--grpc-port"):
        if flag not in words:
            flags += [flag, str(_free(20_000 + 500 * (worker % 20)))]
    return flags


def _free(first: int) -> int:
    """The next of 500 ports from ``first`` that nobody listens on."""
    for _ in range(500):
        port = first + next(_numbers) % 500
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise RuntimeError(f"none of the ports from {first} is free")


@contextlib.contextmanager
def running(
    bundle: Path,
    *words: str,
    command: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Generator[Server]:
    """Start a server, wait until it is ready, and end it."""
    bare = {k: v for k, v in os.environ.items() if not k.startswith("LATENTSERVE_")}
    command = command or (sys.executable, "-m", "cli.main")
    process = subprocess.Popen(
        [*command, "serve", "--bundle", str(bundle), *_ports(words), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**bare, **(environment or {})},
        start_new_session=True,
    )
    try:
        line = _first_line(process)
        found = re.search(r"(https?://\S+), gRPC (\d+)", line)
        assert found is not None, line
        yield Server(found.group(1), f"127.0.0.1:{found.group(2)}", line, process)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def wait_until_ready(
    url: str, process: subprocess.Popen[Any], *, trust: ssl.SSLContext | bool = True
) -> None:
    """Ask ``url`` now and then until it is ready; its process must live on meanwhile."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", timeout=2, verify=trust).is_success:
                return
        time.sleep(0.1)
    raise AssertionError(f"{url} was not ready within {START_S} s")


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + START_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if selector.select(timeout=0.2):
                line = process.stdout.readline()
                assert line, f"the server ended with {process.wait(5)}"
                return line
    raise AssertionError(f"no line within {START_S} s")

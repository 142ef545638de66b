"""A server of our own for the length of a test: started on a free port, stopped by its pid.

bundle, log file → `latentserve serve` as a child → base URL once /readyz is 200 → SIGTERM
"""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.access import OPEN
from loadtests.client import ServerError, wait_ready

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadtests.access import Access

READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 40.0
_LOG_TAIL = 2000


@contextmanager
def own_server(log: Path, arguments: Sequence[str] = (), access: Access = OPEN) -> Iterator[str]:
    """Serve on a free loopback port while the block runs; gives the base URL.

    Args:
        log: File for what the server prints.
        arguments: Further arguments of ``latentserve serve``; with ``--tls-cert`` it speaks TLS.
        access: What it asks for then.

    Raises:
        ServerError: It did not become ready; the message ends with the last of its log.
    """
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("latentserve")),
        "serve", "--host", "127.0.0.1", "--port", str(port), *arguments,
    ]  # fmt: skip
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(  # noqa: S603  (our own command)
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise ServerError(
                f"{command[0]} cannot be started ({error.strerror}); install the package there, "
                "or give --host of a running server"
            ) from error
        try:
            secure = any(word.partition("=")[0] == "--tls-cert" for word in arguments)
            host = f"{'https' if secure else 'http'}://127.0.0.1:{port}"
            try:
                wait_ready(host, READY_TIMEOUT_S, process, access=access)
            except ServerError as error:
                shown = log.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
                raise ServerError(f"{error}\n{shown}") from error
            yield host
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End ``process`` politely, and for certain."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A loopback port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""A server that fails is told with its log, and none outlives the measurement."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.servers import ended_by_sigterm, serving
from loadtests.client import ServerError
from loadtests.own_server import free_port

if TYPE_CHECKING:
    from pathlib import Path

    import psutil

# It answers 200 to everything, and has a child in a session of its own, as supervisors may.
PROGRAM = """
import http.server, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
http.server.HTTPServer(
    ("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler
).serve_forever()
"""


def test_a_server_that_ends_is_told_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such model')"]
    with (
        pytest.raises(ServerError, match=r"(?s)some server ended with status 1.*no such model"),
        serving("some server", command, tmp_path / "log", port=free_port(), environment={}),
    ):
        pytest.fail("it never was ready")


def test_sigterm_ends_the_block_and_the_server_with_its_children(tmp_path: Path) -> None:
    port, handler = free_port(), signal.getsignal(signal.SIGTERM)
    command = [sys.executable, "-c", PROGRAM, str(port)]
    tree: list[psutil.Process] = []

    def measure() -> None:
        with (
            ended_by_sigterm(),
            serving(
                "a server", command, tmp_path / "log", port=port, ready="/", environment={}
            ) as served,
        ):
            tree.extend([served.process, *served.process.children(recursive=True)])
            assert served.resident_bytes() > served.process.memory_info().rss
            served.sleep()
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        measure()
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is handler
    assert len(tree) == 2
    assert not [each for each in tree if each.is_running() and each.status() != "zombie"]

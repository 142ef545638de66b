"""The load itself, made by Locust in processes of its own, since it patches the one it is in.

Plan → locust | locust --master and workers, here or elsewhere → Outcomes
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.client import ServerError
from loadtests.outcomes import Outcomes
from loadtests.own_server import free_port, stop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.access import Access
    from loadtests.plan import Plan

LOOPBACK = "127.0.0.1"
MASTER_PORT = 5557
STOP_S = 10
_WAIT_FOR_WORKERS_S = 120
_GRACE_S = 60.0
_SHOWN = 2000


def run_alone(plan: Plan, access: Access) -> Outcomes:
    """Make the load in one process.

    Raises:
        ServerError: Locust could not.
    """
    return _lead(plan, access, [], 0.0)


def run_with_workers(plan: Plan, access: Access, workers: int) -> Outcomes:
    """Make the load in ``workers`` processes of this machine.

    Raises:
        ServerError: Locust could not.
    """
    port = free_port()
    with ExitStack() as ended:
        for _ in range(workers):
            process = subprocess.Popen(  # noqa: S603  (our own command)
                worker_command(LOOPBACK, port),
                env=_environment(access),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            ended.callback(stop, process)
        return run_as_master(plan, access, workers, LOOPBACK, port)


def run_as_master(plan: Plan, access: Access, workers: int, bind: str, port: int) -> Outcomes:
    """Wait for ``workers`` from elsewhere, and lead them.

    Raises:
        ServerError: Locust could not, or not all workers came.
    """
    options = [
        "--master", "--expect-workers", str(workers),
        "--expect-workers-max-wait", str(_WAIT_FOR_WORKERS_S),
        "--master-bind-host", bind, "--master-bind-port", str(port),
    ]  # fmt: skip
    return _lead(plan, access, options, _WAIT_FOR_WORKERS_S)


def run_as_worker(master: str, port: int, access: Access) -> int:
    """Make load for a master until it ends; gives the status of the process."""
    command = worker_command(master, port)
    return subprocess.run(command, env=_environment(access), check=False).returncode  # noqa: S603  (our own command line)


def worker_command(master: str, port: int) -> list[str]:
    """How a worker is started."""
    return [*_locust(), "--worker", "--master-host", master, "--master-port", str(port)]


def _lead(plan: Plan, access: Access, options: list[str], waits_s: float) -> Outcomes:
    with tempfile.TemporaryDirectory() as folder:
        file, result = Path(folder) / "plan.json", Path(folder) / "outcomes.json"
        file.write_text(plan.to_json(), "utf-8")
        command = [
            *_locust(), "--headless", "--only-summary", "--host", plan.host,
            "--stop-timeout", str(STOP_S), *options,
        ]  # fmt: skip
        files = {"LOADTEST_PLAN": str(file), "LOADTEST_OUTCOMES": str(result)}
        try:
            done = subprocess.run(  # noqa: S603  (our own command)
                command,
                env={**_environment(access), **files},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=plan.seconds + waits_s + _GRACE_S,
            )
        except subprocess.TimeoutExpired as error:
            raise ServerError(f"Locust did not end within {error.timeout:g} s") from error
        if done.returncode or not result.exists():
            shown = done.stderr[-_SHOWN:]
            raise ServerError(f"Locust ended with status {done.returncode}:\n{shown}")
        return Outcomes.from_json(result.read_text("utf-8"))


def _locust() -> list[str]:
    locustfile = str(Path(__file__).with_name("locustfile.py"))
    return [
        sys.executable, "-m", "locust", "--locustfile", locustfile,
        "--loglevel", "WARNING", "--exit-code-on-error", "0",
    ]  # fmt: skip


def _environment(access: Access) -> Mapping[str, str]:
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return {**os.environ, **access.environment(), "PYTHONPATH": path}

"""The real command with the real Locust, in processes of their own, against a small server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.own_server import free_port, stop
from tests.support.wire_server import wire_server

ROOT = Path(__file__).parents[2]


def loadtest(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtests", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def run(host: str, results: Path) -> subprocess.CompletedProcess[str]:
    return loadtest("--host", host, "--duration", "2", "--users", "4", "--results", str(results))


def test_a_right_server_gives_a_report_and_status_0(tmp_path: Path) -> None:
    with wire_server() as host:
        done = run(host, tmp_path)
    assert done.returncode == 0, done.stderr
    table = next(tmp_path.glob("*.md")).read_text("utf-8")
    assert table in done.stdout
    for path in ("http encode", "http decode", "http sample", "http shift", "all"):
        row = next(line for line in table.splitlines() if line.startswith(f"| {path} |"))
        cells = [cell.strip() for cell in row.split("|")[2:-1]]
        assert int(cells[0]) > 0
        assert cells[-2:] == ["0", "0"]
    assert "latentserve_batch_items" in table
    assert "<svg" in next(tmp_path.glob("*.html")).read_text("utf-8")


@pytest.mark.parametrize("fault", ["other pixels", "shed"])
def test_wrong_answers_and_none_at_all_give_status_1(tmp_path: Path, fault: str) -> None:
    with wire_server(fault) as host:
        done = run(host, tmp_path)
    assert done.returncode == 1, done.stderr
    wanted = {"other pixels": "grey levels from", "shed": "- shed"}[fault]
    assert wanted in done.stdout


@pytest.mark.parametrize(("limit", "status"), [("5000", 0), ("0.001", 1)])
def test_steps_print_the_knee_or_that_there_is_none(
    tmp_path: Path, limit: str, status: int
) -> None:
    words = ("--mix", "shop", "--shape", "steps", "--duration", "1", "--users", "4")
    with wire_server() as host:
        done = loadtest("--host", host, "--results", str(tmp_path), "--p95-ms", limit, *words)
    assert done.returncode == status, done.stderr
    verdict = "**knee: " if status == 0 else "**no knee: "
    table = next(tmp_path.glob("*.md")).read_text("utf-8")
    assert verdict in table
    assert verdict.strip("*: ") in next(tmp_path.glob("*.html")).read_text("utf-8")
    # A limit that nobody can hold ends the search after two steps of four.
    assert ("| step 2 | 2 |" in table, "| step 3 | 3 |" in table) == (True, status == 0)


def test_no_server_gives_status_2_and_says_why(tmp_path: Path) -> None:
    results = ("--results", str(tmp_path))
    done = loadtest("--serve-args=--bundle does/not/exist", *results)
    assert done.returncode == 2
    assert "ended with status 1 before it was ready" in done.stderr
    assert "does/not/exist" in done.stderr
    done = loadtest("--host", "ftp://x", *results)
    assert (done.returncode, "'ftp://x' is no address" in done.stderr) == (2, True)


def test_stop_ends_a_process_by_its_pid() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    stop(process)
    assert process.poll() is not None
    stop(process)
    assert 0 < free_port() < 65536

"""A job that is killed goes on without loss or doubling, as a real process and at any point."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.support.batch_jobs import errors_of, job, make_tree, rows_of
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path

ITEMS, SHARD_ROWS = 480, 16
START_S = 60.0


def started(bundle: Path, given: Path, out: Path) -> subprocess.Popen[str]:
    words = [*("batch", "reconstruct", str(given), "--out", str(out), "--bundle", str(bundle))]
    more = ["--images", "png", "--shard-rows", str(SHARD_ROWS), "--batch-size", "5"]
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", *words, *more, "--threads", "2"],
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_shards(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + START_S
    while len(list((out / "rows").glob("part-*.parquet"))) < count:
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_job_that_is_killed_three_times_loses_and_doubles_nothing(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    keys = make_tree(tmp_path / "in", ITEMS)
    (tmp_path / "in/b/bad.png").write_bytes(b"")
    out = tmp_path / "out"
    shards = -(-(ITEMS + 1) // SHARD_ROWS)
    points = sorted(random.SystemRandom().sample(range(1, shards - 8), 3))
    untouched: dict[Path, int] = {}
    for point in points:
        process = started(bundle, tmp_path / "in", out)
        wait_for_shards(out, point, process)
        time.sleep(random.SystemRandom().random() * 0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, f"it had ended before point {point}"
        assert all(path.stat().st_mtime_ns == changed for path, changed in untouched.items())
        kept = (out / "rows").glob("part-*.parquet")
        untouched = {path: path.stat().st_mtime_ns for path in kept}
        assert point <= len(untouched) < shards
    process = started(bundle, tmp_path / "in", out)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    before = SHARD_ROWS * len(untouched)
    assert f"{ITEMS + 1 - before} items done" in said
    assert f"{before} were done before; 1 failed" in said
    assert all(path.stat().st_mtime_ns == changed for path, changed in untouched.items())

    whole = tmp_path / "whole"
    job(bundle, "reconstruct", tmp_path / "in", whole, images="png", shard_rows=SHARD_ROWS)
    assert rows_of(out).equals(rows_of(whole))
    assert sorted(rows_of(out)["key"].to_pylist()) == sorted([*keys, "b/bad.png"])
    assert list(errors_of(out)) == ["b/bad.png"]
    files = {path.relative_to(out): path.read_bytes() for path in out.rglob("*.png")}
    assert files == {path.relative_to(whole): path.read_bytes() for path in whole.rglob("*.png")}
    left = [path.name for path in out.rglob(".*") if path.name != ".lock"]
    assert left == [], "hidden files of the killed runs"
    assert len(files) == ITEMS

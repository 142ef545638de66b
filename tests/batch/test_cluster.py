"""The same job on a Ray of this machine: equal rows, also when an actor dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.batch_jobs import errors_of, job, make_tree, rows_of
from tests.support.tiny_bundle import write_tiny_bundle

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra `ray`"),
    pytest.mark.timeout(300),
]
ROOT = Path(__file__).parents[2]


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """A process of its own: Ray starts threads and children that no other test shall meet."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_rows_are_those_of_a_local_job_although_an_actor_dies(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    make_tree(tmp_path / "in", 60)
    (tmp_path / "in/b/bad.png").write_bytes(b"")
    job(bundle, "encode", tmp_path / "in", tmp_path / "here", shard_rows=5)
    ended = command("tests.support.ray_job", bundle, tmp_path / "in", tmp_path / "there")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "there.killed").read_text().isdecimal()
    summary = json.loads(ended.stdout.splitlines()[-1])
    assert (summary["items"], summary["before"], summary["failed"]) == (61, 0, 1)
    assert rows_of(tmp_path / "there").equals(rows_of(tmp_path / "here"))
    assert list(errors_of(tmp_path / "there")) == ["b/bad.png"]


def test_the_command_works_on_actors(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    words = ("sample", "25", "--seed", "7", "--bundle", bundle, "--shard-rows", "10")
    there = tmp_path / "there"
    ended = command("cli.main", "batch", *words, "--out", there, "--ray", "--ray-actors", "2")
    assert ended.returncode == 0, ended.stderr
    assert "sample: 25/25 (100 %)" in ended.stderr
    job(bundle, "sample", 25, tmp_path / "here", seed=7, shard_rows=10)
    assert rows_of(there).equals(rows_of(tmp_path / "here"))


def test_an_error_of_an_actor_stops_the_job_with_its_words(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    make_tree(tmp_path / "in", 6)
    out = tmp_path / "out"
    (out / "rows/.part-000000.parquet.part").mkdir(parents=True)
    words = ("encode", tmp_path / "in", "--bundle", bundle)
    ended = command("cli.main", "batch", *words, "--out", out, "--ray")
    assert ended.returncode == 1, ended.stderr
    assert "part-000000.parquet cannot be written: Is a directory" in ended.stderr

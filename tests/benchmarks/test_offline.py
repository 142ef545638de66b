"""The benchmark of offline jobs: figures that fit, and rows that are the same."""

from __future__ import annotations

import argparse
import gzip
import struct
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.offline import Found, _packed, ceiling, measure, to_markdown
from bundle import open_bundle
from tests.support.batch_jobs import make_tree
from tests.support.tiny_bundle import write_tiny_bundle

ARGS = argparse.Namespace(name="tree", given=Path("tree"), bundle=Path("tiny"), rounds=1, ray=False)


def test_a_job_is_measured_and_killed(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    make_tree(tmp_path / "in", 40)
    (tmp_path / "work").mkdir()

    found = measure(tmp_path / "in", bundle, tmp_path / "work", rounds=1, ray=False)

    assert found.items == 40
    assert found.ceiling[0] > 0
    assert found.seconds[0] > 0
    assert found.own[0] > found.items / found.seconds[0]
    assert found.peak_mib[0] > 10
    assert len(found.killed_at_s) == 3
    assert found.same_after_kills
    assert found.ray_s is None


def test_idx_files_become_parquet_that_a_job_takes(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 16, 16), np.uint8)
    given = tmp_path / "images-idx3-ubyte.gz"
    given.write_bytes(gzip.compress(struct.pack(">HBBIII", 0, 8, 3, *pixels.shape) + pixels.data))

    packed = _packed(given, tmp_path)

    table = pq.read_table(packed)
    assert table["key"].to_pylist() == [f"{number:06d}" for number in range(5)]
    files = table["image"].to_pylist()
    assert all(file.startswith(b"\x89PNG") for file in files)
    bundle = open_bundle(write_tiny_bundle(tmp_path / "tiny", channels=1))
    assert ceiling(files, bundle) > 0


@pytest.mark.parametrize(("same", "word"), [(True, "yes"), (False, "no")])
def test_the_page_says_how_it_ended(same: bool, word: str) -> None:
    found = Found(
        items=1000,
        ceiling=[500.0, 400.0, 450.0],
        seconds=[4.0, 2.5, 3.0],
        own=[405.0, 300.0, 500.0],
        peak_mib=[90, 120, 100],
        killed_at_s=[1.0, 2.0],
        same_after_kills=same,
        ray_s=9.0,
        same_on_ray=same,
    )
    text = to_markdown(found, ARGS)
    assert "| images | 1,000 |" in text
    # Each of its own round: 250/500, 400/400, 333/450 and 405/500, 300/400, 500/450.
    assert "| of the ceiling of its round | 0.74 |" in text
    assert "| of the ceiling of its round | 0.81 |" in text
    assert "| its memory at most, MiB | 120 |" in text
    assert f"seconds 1.0, 2.0, then let be: the same rows | {word} |" in text
    assert f"an actor killed on the way, 9.0 s: the same rows | {word} |" in text

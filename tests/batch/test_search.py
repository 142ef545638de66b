"""The nearest items of a job: what a comparison with every item finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("usearch", reason="needs the extra `search`")

from batch.errors import BatchError
from batch.question import latent_of_image, moved
from batch.search import LatentIndex, build_index
from bundle import open_bundle
from cli import main as cli_main
from inference.errors import UnknownAttribute
from tests.support.batch_jobs import job, make_tree, rows_of, vectors
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


@pytest.fixture
def out(bundle: Path, tmp_path: Path) -> Path:
    """60 pictures and a bad one, indexed."""
    make_tree(tmp_path / "in", 60)
    (tmp_path / "in/b/bad.png").write_bytes(b"")
    job(bundle, "encode", tmp_path / "in", tmp_path / "out", shard_rows=7)
    assert build_index(tmp_path / "out") == 60
    return tmp_path / "out"


@pytest.mark.parametrize("exact", [True, False])
def test_the_nearest_are_the_nearest_of_all(out: Path, *, exact: bool) -> None:
    table = rows_of(out).filter(rows_of(out)["error_slug"].is_null())
    keys, latents = table["key"].to_pylist(), vectors(table, "mean")
    question = np.float32([0.1, -0.2, 0.3, 0.0])
    distances = ((latents - question) ** 2).sum(axis=1)
    order = np.argsort(distances)[:10]
    hits = LatentIndex(out).nearest(question, 10, exact=exact)
    assert [hit.key for hit in hits] == [keys[index] for index in order]
    np.testing.assert_allclose([hit.distance for hit in hits], distances[order], rtol=1e-4)


def test_an_image_finds_itself_and_moved_it_finds_others(bundle: Path, out: Path) -> None:
    opened, index = open_bundle(bundle), LatentIndex(out)
    file = out.parent / "in/c/0005.jpg"
    latent = latent_of_image(opened, file)
    np.testing.assert_array_equal(latent, index.latent_of("c/0005.jpg"))
    first = index.nearest(latent, 1)[0]
    assert (first.key, first.distance) == ("c/0005.jpg", 0.0)
    question = moved(opened, latent, {"glasses": 3.0, "smile": -1.0})
    np.testing.assert_allclose(question - latent, [3.7, 0.7 / 3, -0.7 / 3, -0.7], rtol=1e-5)
    assert index.nearest(question, 1)[0].distance > 0


def test_fewer_items_than_asked_for_are_all_of_them(out: Path) -> None:
    assert len(LatentIndex(out).nearest(np.zeros(4, np.float32), 100)) == 60


def test_hits_name_the_files_that_a_job_wrote(bundle: Path, tmp_path: Path) -> None:
    job(bundle, "sample", 20, tmp_path / "faces", seed=7, images="webp", shard_rows=6)
    build_index(tmp_path / "faces")
    index = LatentIndex(tmp_path / "faces")
    (hit,) = index.nearest(index.latent_of("000000013"), 1)
    assert (hit.row, hit.file) == (13, "images/000000013.webp")


def test_what_cannot_be_searched_says_why(bundle: Path, out: Path, tmp_path: Path) -> None:
    with pytest.raises(BatchError, match=r"job.json cannot be read .* give the folder of a job"):
        build_index(tmp_path)
    index = LatentIndex(out)
    with pytest.raises(BatchError, match="has the key 'none'"):
        index.latent_of("none")
    with pytest.raises(BatchError, match=r"'b/bad.png' has no latent"):
        index.latent_of("b/bad.png")
    with pytest.raises(BatchError, match=r"0 bytes"):
        latent_of_image(open_bundle(bundle), tmp_path / "in/b/bad.png")
    with pytest.raises(UnknownAttribute):
        moved(open_bundle(bundle), np.zeros(4, np.float32), {"beard": 1})
    (out / "job.json").write_text((out / "job.json").read_text() + "\n")
    with pytest.raises(BatchError, match="is of another job"):
        LatentIndex(out)
    (out / "index.json").unlink()
    with pytest.raises(BatchError, match="has no index; run latentserve batch index"):
        LatentIndex(out)
    (out / "rows/part-000000.parquet").unlink()
    with pytest.raises(BatchError, match="is not finished"):
        build_index(out)


def test_the_commands(
    bundle: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def batch(*words: str | Path) -> tuple[int, list[str], str]:
        status = cli_main.main(["batch", *map(str, words)])
        shown = capsys.readouterr()
        return status, shown.out.splitlines(), shown.err

    assert batch("index", out) == (0, [f"60 latents in {out}/index.usearch"], "")
    ask = ("query", out, "--bundle", bundle, "--count", "3")
    status, by_key, _ = batch(*ask, "--key", "c/0005.jpg")
    assert (status, len(by_key), by_key[0]) == (0, 3, "0.0000\tc/0005.jpg")
    assert batch(*ask, "--image", tmp_path / "in/c/0005.jpg", "--exact")[1] == by_key
    np.save(tmp_path / "z.npy", LatentIndex(out).latent_of("c/0005.jpg"))
    assert batch(*ask, "--latent", tmp_path / "z.npy")[1] == by_key
    there = batch(*ask, "--key", "c/0005.jpg", "--attribute", "smile=1")[1]
    assert there != by_key
    other = write_tiny_bundle(tmp_path / "tiny", version="2")
    status, _, said = batch("query", out, "--bundle", other, "--key", "x")
    assert status == 1
    assert "are of tiny 1, and --bundle" in said
    # The index is part of the job's folder: the job itself still goes on, and finds it is finished.
    assert job(bundle, "encode", tmp_path / "in", out, shard_rows=7).before == 61

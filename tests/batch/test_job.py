"""Whole jobs on a tiny bundle: every operation, input and output; bad items; full disks."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from pyarrow import parquet

from batch.errors import BatchError
from batch.job import JobOptions
from bundle import open_bundle
from inference.cores import available_cores
from inference.errors import InvalidRequest, UnknownAttribute
from inference.sessions import DeviceUnavailable
from tests.support.batch_jobs import (
    errors_of,
    images_of,
    job,
    make_parquet,
    make_tree,
    picture,
    rows_of,
    vectors,
)
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GLASSES = {"glasses": 1.0}
KEYED = ("model", "version", "error_slug", "error_message")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


def test_encode_gives_latents_with_their_keys(bundle: Path, tmp_path: Path) -> None:
    keys = make_tree(tmp_path / "in", 11)
    summary = job(bundle, "encode", tmp_path / "in", tmp_path / "out", shard_rows=4)
    assert (summary.items, summary.before, summary.failed) == (11, 0, 0)
    table = rows_of(tmp_path / "out")
    assert table.column_names == ["key", "mean", "logvar", *KEYED]
    assert str(table.schema.field("mean").type) == "fixed_size_list<element: float>[4]"
    assert table["key"].to_pylist() == keys
    assert set(table["model"].to_pylist()) == {"tiny"}
    assert set(table["version"].to_pylist()) == {"1"}
    assert table["error_slug"].null_count == 11
    assert vectors(table, "logvar").tolist() == [[-4.0] * 4] * 11
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == [".lock", "errors.parquet", "job.json", "rows"]
    assert errors_of(tmp_path / "out") == {}


def test_a_plain_autoencoder_gives_no_logvar(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "plain", variational=False)
    make_tree(tmp_path / "in", 3)
    job(bundle, "encode", tmp_path / "in", tmp_path / "out")
    assert rows_of(tmp_path / "out").column_names == ["key", "mean", *KEYED]


@pytest.mark.parametrize("batch_size", [1, 3, 8, 32])
def test_the_batch_size_changes_nothing(bundle: Path, tmp_path: Path, batch_size: int) -> None:
    make_tree(tmp_path / "in", 23)
    tables = []
    for name, size in (("one", 5), ("other", batch_size)):
        job(bundle, "shift", tmp_path / "in", tmp_path / name, strengths=GLASSES, batch_size=size)
        tables.append(rows_of(tmp_path / name))
    assert tables[0].equals(tables[1])


def test_a_jobs_output_is_another_jobs_input(bundle: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 7)
    job(bundle, "encode", tmp_path / "in", tmp_path / "latents")
    job(bundle, "decode", tmp_path / "latents", tmp_path / "decoded")
    job(bundle, "reconstruct", tmp_path / "in", tmp_path / "reconstructed")
    decoded, reconstructed = (rows_of(tmp_path / name) for name in ("decoded", "reconstructed"))
    assert decoded.column_names == ["key", "image", "latent", *KEYED]
    assert decoded.equals(reconstructed)
    job(bundle, "encode", tmp_path / "decoded", tmp_path / "again")
    again = rows_of(tmp_path / "again")
    np.testing.assert_allclose(vectors(again, "mean"), vectors(decoded, "latent"), atol=0.02)


@pytest.mark.parametrize("images", ["png", "webp", "jpeg"])
def test_images_become_files_in_the_same_tree(bundle: Path, tmp_path: Path, images: str) -> None:
    keys = make_tree(tmp_path / "in", 6)
    out = tmp_path / "out"
    job(bundle, "reconstruct", tmp_path / "in", out, images=images)
    table = rows_of(out)
    assert table.column_names == ["key", "file", "latent", *KEYED]
    suffix = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}[images]
    kept = {"png": ".png", "jpeg": ".jpg"}.get(images)
    wanted = [f"images/{key}{'' if kept and key.endswith(kept) else suffix}" for key in keys]
    assert table["file"].to_pylist() == wanted
    found = sorted(path for path in (out / "images").rglob("*") if path.is_file())
    assert found == sorted(out / name for name in wanted)
    for file in found:
        with Image.open(file) as opened:
            assert (opened.format, opened.size) == (images.upper(), (16, 16))


def test_detail_keeps_the_pictures_size(bundle: Path, tmp_path: Path) -> None:
    make_parquet(
        tmp_path / "in.parquet",
        {"image": [picture(1, width=40, height=30), picture(2, width=17, height=50)]},
    )
    job(bundle, "shift", tmp_path / "in.parquet", tmp_path / "out", strengths=GLASSES, detail=True)
    table = rows_of(tmp_path / "out")
    sizes = [Image.open(io.BytesIO(each)).size for each in table["image"].to_pylist()]
    assert sizes == [(40, 30), (17, 50)]


def test_sample_i_depends_on_seed_and_i_alone(bundle: Path, tmp_path: Path) -> None:
    job(bundle, "sample", 40, tmp_path / "one", seed=7, batch_size=3, shard_rows=9)
    job(bundle, "sample", 25, tmp_path / "other", seed=7, batch_size=32, shard_rows=100)
    one, other = rows_of(tmp_path / "one"), rows_of(tmp_path / "other")
    assert one["key"].to_pylist()[:3] == ["000000000", "000000001", "000000002"]
    assert one.slice(0, 25).equals(other)
    job(bundle, "sample", 25, tmp_path / "third", seed=8)
    assert not rows_of(tmp_path / "third")["latent"].equals(other["latent"])


def test_samples_heed_temperature_prior_and_strengths(bundle: Path, tmp_path: Path) -> None:
    def latents(name: str, **more: Any) -> np.ndarray:
        job(bundle, "sample", 50, tmp_path / name, seed=7, **more)
        return vectors(rows_of(tmp_path / name), "latent")

    means = latents("means", temperature=0.0)
    assert set(means.reshape(-1).tolist()) == set(np.float32([-0.8, 0.6]).tolist())
    normal = latents("normal", prior="normal")
    shifted = latents("shifted", prior="normal", strengths={"glasses": 2.0})
    np.testing.assert_array_equal(shifted, normal + np.float32([2, 0, 0, 0]))


def test_bad_items_fail_alone(bundle: Path, tmp_path: Path) -> None:
    keys = make_tree(tmp_path / "in", 8)
    job(bundle, "encode", tmp_path / "in", tmp_path / "good")
    means = {row["key"]: row["mean"] for row in rows_of(tmp_path / "good").to_pylist()}
    bad = {
        "a/none.png": (b"no image", "unsupported_media_type"),
        "b/cut.jpg": (picture(1, suffix=".jpg")[:200], "invalid_image"),
        "c/empty.png": (b"", "invalid_image"),
        "c/large.png": (picture(2, width=60, height=40), "invalid_image"),
    }
    for key, (content, _) in bad.items():
        (tmp_path / "in" / key).write_bytes(content)
    (tmp_path / "in/c/dead.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "in/circle").symlink_to(tmp_path / "in")
    slugs = {key: slug for key, (_, slug) in bad.items()}
    slugs |= {"c/dead.png": "unreadable_file", "circle/": "linked_folder"}
    out = tmp_path / "out"
    summary = job(
        bundle, "encode", tmp_path / "in", out, shard_rows=3, batch_size=2, max_image_pixels=2000
    )
    assert (summary.items, summary.failed) == (14, 6)
    assert {key: slug for key, (slug, _) in errors_of(out).items()} == slugs
    assert "(60 × 40)" in errors_of(out)["c/large.png"][1]
    table = rows_of(out)
    for row in table.to_pylist():
        failed = row["key"] in slugs
        assert row["mean"] == means.get(row["key"])
        assert (row["logvar"] is None) == failed
        assert (row["error_slug"], row["error_message"] is None) == (
            slugs.get(row["key"]),
            not failed,
        )
    assert sorted(table["key"].to_pylist()) == sorted([*keys, *slugs])


def test_bad_latents_fail_alone(bundle: Path, tmp_path: Path) -> None:
    rows = [[0.0] * 4, [1.0] * 5, None, [float("nan")] * 4, [0.5] * 4]
    make_parquet(tmp_path / "in.parquet", {"key": list("abcde"), "latent": rows})
    job(bundle, "decode", tmp_path / "in.parquet", tmp_path / "out")
    found = {key: slug for key, (slug, _) in errors_of(tmp_path / "out").items()}
    assert found == {"b": "shape_mismatch", "c": "invalid_request", "d": "invalid_request"}
    table = rows_of(tmp_path / "out")
    assert [row is None for row in table["image"].to_pylist()] == [False, True, True, True, False]


def test_a_key_that_makes_no_file_name_fails_alone(bundle: Path, tmp_path: Path) -> None:
    columns = {"key": ["good", "x" * 300], "image": [picture(1), picture(2)]}
    make_parquet(tmp_path / "in.parquet", columns)
    out = tmp_path / "out"
    assert job(bundle, "reconstruct", tmp_path / "in.parquet", out, images="png").failed == 1
    assert errors_of(out)["x" * 300][0] == "unwritable_file"
    assert rows_of(out)["file"].to_pylist() == ["images/good.png", None]
    assert vectors(rows_of(out), "latent")[1].tolist() != [0, 0, 0, 0]


def test_a_finished_job_does_nothing_when_it_is_run_again(bundle: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 6)
    (tmp_path / "in/bad.png").write_bytes(b"")
    out = tmp_path / "out"
    job(bundle, "encode", tmp_path / "in", out, shard_rows=2)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    summary = job(bundle, "encode", tmp_path / "in", out, shard_rows=2)
    assert (summary.items, summary.before, summary.failed) == (7, 7, 1)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == before


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA may be here"
)
def test_a_missing_device_stops_what_is_left_to_do_and_nothing_else(
    bundle: Path, tmp_path: Path
) -> None:
    make_tree(tmp_path / "in", 3)
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    with pytest.raises(DeviceUnavailable):
        job(bundle, "encode", tmp_path / "in", out, device="cuda")
    assert not list((out / "rows").iterdir())
    # What the user can mend first is said first.
    with pytest.raises(BatchError, match="holds no item"):
        job(bundle, "encode", tmp_path / "empty", tmp_path / "other", device="cuda")
    done = job(bundle, "encode", tmp_path / "in", out)
    assert (done.items, done.before) == (3, 0)
    again = job(bundle, "encode", tmp_path / "in", out, device="cuda")
    assert (again.items, again.before) == (3, 3)


def test_a_job_goes_on_with_the_shards_that_are_missing(bundle: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 11)
    (tmp_path / "in/bad.png").write_bytes(b"")
    out = tmp_path / "out"
    job(bundle, "encode", tmp_path / "in", out, shard_rows=3)
    whole = rows_of(out)
    kept = out / "rows/part-000002.parquet"
    for name in ("rows/part-000001.parquet", "rows/part-000003.parquet", "errors.parquet"):
        (out / name).unlink()
    (out / "rows/.part-000001.parquet.part").write_bytes(b"begun")
    before = kept.stat().st_mtime_ns
    summary = job(bundle, "encode", tmp_path / "in", out, shard_rows=3, batch_size=2, threads=1)
    assert (summary.items, summary.before, summary.failed) == (12, 6, 1)
    assert kept.stat().st_mtime_ns == before
    assert rows_of(out).equals(whole)
    assert len(list((out / "rows").iterdir())) == 4


def test_a_job_whose_input_has_changed_is_refused(bundle: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 4)
    job(bundle, "encode", tmp_path / "in", tmp_path / "out")
    (tmp_path / "in/a/new.png").write_bytes(picture(9))
    with pytest.raises(BatchError, match=r"input.items was 4 and is now 5"):
        job(bundle, "encode", tmp_path / "in", tmp_path / "out")
    other = write_tiny_bundle(tmp_path / "tiny", version="2")
    (tmp_path / "in/a/new.png").unlink()
    with pytest.raises(BatchError, match=r"bundle.version was '1' and is now '2'"):
        job(other, "encode", tmp_path / "in", tmp_path / "out")


def test_a_damaged_shard_is_named(bundle: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 4)
    out = tmp_path / "out"
    job(bundle, "encode", tmp_path / "in", out, shard_rows=2)
    (out / "errors.parquet").unlink()
    (out / "rows/part-000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(BatchError, match=r"part-000001.parquet is damaged .* remove it"):
        job(bundle, "encode", tmp_path / "in", out, shard_rows=2)
    (out / "rows/part-000000.parquet").replace(out / "rows/part-000001.parquet")
    columns = {"key": ["x"], "error_slug": ["y"], "error_message": ["z"]}
    make_parquet(out / "rows/part-000000.parquet", columns)
    with pytest.raises(BatchError, match=r"part-000000.parquet has 1 rows and not 2"):
        job(bundle, "encode", tmp_path / "in", out, shard_rows=2)


def test_what_cannot_begin_leaves_nothing_behind(bundle: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 2)
    (tmp_path / "empty").mkdir()
    make_parquet(tmp_path / "latents.parquet", {"latent": [[0.0] * 4]})
    refused: list[tuple[str, Any, dict[str, Any], type[Exception], str]] = [
        ("shift", "in", {"strengths": {"glases": 1}}, UnknownAttribute, "did you mean 'glasses'"),
        ("shift", "in", {"strengths": {"smile": 11}}, InvalidRequest, "-10 to 10"),
        ("shift", "in", {}, InvalidRequest, "name at least one"),
        ("encode", "in", {"images": "png"}, BatchError, "leave out --images"),
        ("encode", "empty", {}, BatchError, "holds no item: no file below it ends in"),
        ("encode", "in", {"batch_size": 5000}, ValueError, "from 1 to 4096"),
        ("sample", 5, {"temperature": 3.0}, InvalidRequest, "temperature is 3"),
        ("sample", 5, {"seed": -1}, InvalidRequest, "seed is -1"),
        ("sample", 0, {}, BatchError, "0 images cannot be drawn"),
    ]
    for operation, given, more, error, message in refused:
        where = tmp_path / given if isinstance(given, str) else given
        with pytest.raises(error, match=message):
            job(bundle, operation, where, tmp_path / "out", **more)
    detail = {"strengths": GLASSES, "detail": True}
    with pytest.raises(BatchError, match="the input holds latents"):
        job(bundle, "shift", tmp_path / "latents.parquet", tmp_path / "out", **detail)
    with pytest.raises(BatchError, match="lies in the input"):
        job(bundle, "encode", tmp_path / "in", tmp_path / "in/out")
    assert not (tmp_path / "out/job.json").exists()
    assert not (tmp_path / "in/out").exists()


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond 20,000 bytes: what a full disk is, to the process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_stops_the_job_and_keeps_what_is_whole(bundle: Path, tmp_path: Path) -> None:
    pictures = [picture(number) for number in range(4)] + [picture(9, width=300, height=200)]
    make_parquet_small(tmp_path, pictures)
    out = tmp_path / "out"
    more = {"strengths": GLASSES, "detail": True, "shard_rows": 2}
    with pytest.raises(BatchError, match=r"part-000002.parquet cannot be written: File too large"):
        job(bundle, "shift", tmp_path / "in", out, **more)
    names = sorted(path.name for path in (out / "rows").iterdir())
    assert names == ["part-000000.parquet", "part-000001.parquet"]
    with pytest.raises(BatchError, match=r"images cannot be written: File too large"):
        job(bundle, "shift", tmp_path / "in", tmp_path / "files", **more, images="png")
    assert list((tmp_path / "files").rglob(".*.part")) == []


def make_parquet_small(root: Path, pictures: list[bytes]) -> None:
    """One picture a file; the last is a JPEG that is small until it is decoded."""
    for number, content in enumerate(pictures):
        file = root / "in" / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        if len(content) > 15_000:
            Image.open(io.BytesIO(content)).save(buffer, "JPEG", quality=1)
        file.write_bytes(buffer.getvalue() or content)


def test_the_jobs_file_says_what_the_job_is(bundle: Path, tmp_path: Path) -> None:
    job(bundle, "sample", 3, tmp_path / "out", seed=7, strengths=GLASSES, shard_rows=5)
    known = json.loads((tmp_path / "out/job.json").read_text())
    assert known["operation"] == "sample"
    assert known["parameters"] == {
        "strengths": GLASSES,
        "seed": 7,
        "temperature": 1.0,
        "prior": "fitted",
    }
    assert known["bundle"]["version"] == open_bundle(bundle).manifest.version
    assert known["input"]["items"] == 3
    assert parquet.read_metadata(tmp_path / "out/errors.parquet").num_rows == 0
    assert images_of(rows_of(tmp_path / "out")).shape == (3, 16, 16, 3)


def test_all_that_is_in_flight_fits_the_queue(tmp_path: Path) -> None:
    for batch_size, threads in ((1, 1), (32, 2), (4096, 1024)):
        options = JobOptions(tmp_path, batch_size=batch_size, threads=threads)
        flow = options.flow(single=False)
        assert flow.chunk == batch_size
        assert 2 * flow.in_flight * flow.chunk <= options.engine().max_queue_size
        assert options.flow(single=True).chunk == 1
    assert JobOptions(tmp_path).engine().thread_count == available_cores() + 1


_WITHOUT_PANDAS = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise AssertionError("pandas is imported")

sys.meta_path.insert(0, Refused())
from cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_job_imports_no_pandas(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    make_tree(tmp_path / "in", 5)
    words = ["batch", "encode", str(tmp_path / "in"), "--bundle", str(bundle), "--quiet"]
    command = [sys.executable, "-c", _WITHOUT_PANDAS, *words, "--out", str(tmp_path / "out")]
    subprocess.run(command, check=True)
    assert rows_of(tmp_path / "out").num_rows == 5

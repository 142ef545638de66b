"""The output folder: one job's, one process's, and it knows what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from batch.errors import BatchError
from batch.ledger import LOCK_FILE, Job, JobBundle, JobInput, JobLimits, JobOutput, Ledger
from batch.shards import Plan, shard_name

if TYPE_CHECKING:
    from pathlib import Path

JOB = Job(
    operation="shift",
    parameters={"strengths": {"glasses": 1.0}, "detail": False},
    bundle=JobBundle(name="tiny", version="1", sha256="0" * 64),
    input=JobInput(kind="files", items=25, digest="ab"),
    output=JobOutput(images=None, shard_rows=10),
    limits=JobLimits(max_image_pixels=1, max_image_bytes=1),
)


def begun(out: Path, job: Job = JOB) -> Ledger:
    ledger = Ledger(out)
    with ledger.locked():
        ledger.begin(job)
    return ledger


def test_missing_shards_are_those_without_a_file(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "out")
    (ledger.rows / shard_name(1)).write_bytes(b"")
    (ledger.rows / f".{shard_name(0)}.part").write_bytes(b"begun and not finished")
    assert ledger.missing(Plan(25, 10)) == [0, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operation": "encode"}, "operation was 'shift' and is now 'encode'"),
        ({"parameters": {"strengths": {"glasses": 2.0}}}, r"parameters.strengths.glasses was 1.0"),
        ({"parameters": {"strengths": {}}}, r"parameters.strengths.glasses was 1.0 and .* None"),
        ({"bundle": {"name": "tiny", "version": "2", "sha256": "0" * 64}}, "bundle.version was"),
        ({"bundle": {"name": "tiny", "version": "1", "sha256": "1" * 64}}, "bundle.sha256 was"),
        ({"input": {"kind": "files", "items": 26, "digest": "ab"}}, "items was 25 and is now 26"),
        ({"input": {"kind": "files", "items": 25, "digest": "cd"}}, "input.digest was 'ab'"),
        ({"output": {"images": "png", "shard_rows": 10}}, "output.images was None .* 'png'"),
        ({"limits": {"max_image_pixels": 2, "max_image_bytes": 1}}, "limits.max_image_pixels"),
    ],
)
def test_another_job_is_refused_by_what_differs(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    begun(tmp_path)
    begun(tmp_path)
    other = Job.model_validate({**JOB.model_dump(), **change})
    with pytest.raises(BatchError, match=message):
        begun(tmp_path, other)


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(BatchError, match=r"things that no job wrote .letter.txt"):
        begun(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_shards_without_a_job_are_refused(tmp_path: Path) -> None:
    ledger = begun(tmp_path)
    (ledger.rows / shard_name(0)).write_bytes(b"")
    (tmp_path / "job.json").unlink()
    with pytest.raises(BatchError, match="shards of no job"):
        begun(tmp_path)


@pytest.mark.parametrize("content", ["", "{", '{"schema_version": 9}'])
def test_a_job_file_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    begun(tmp_path)
    (tmp_path / "job.json").write_text(content)
    with pytest.raises(BatchError, match=r"job.json cannot be read"):
        begun(tmp_path)


def test_two_processes_do_not_work_in_one_folder(tmp_path: Path) -> None:
    begun(tmp_path)
    with (
        FileLock(tmp_path / LOCK_FILE),
        pytest.raises(BatchError, match="another process works in"),
    ):
        begun(tmp_path)
    begun(tmp_path)


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BatchError, match="cannot be written: Not a directory"):
        begun(tmp_path / "file" / "out")

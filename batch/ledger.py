"""What of a job is done: the job's own file, and the shards that are there.

    OUT/job.json          what the job is: operation, bundle, input, output, limits
    OUT/rows/part-….parquet   the complete shards: the ledger
    OUT/images/           image files, if asked for
    OUT/errors.parquet    written when all shards are there

1. One process works in OUT at a time.
2. A job goes on only if its file says what the command says, to the hash of the input.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from batch.errors import BatchError, cannot_write
from batch.shard_file import write_whole
from batch.shards import (
    ERRORS_FILE,
    IMAGES_FOLDER,
    INDEX_FACTS,
    INDEX_FILE,
    JOB_FILE,
    ROWS_FOLDER,
    shard_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batch.shards import Plan

LOCK_FILE = ".lock"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobBundle(_Frozen):
    """The bundle that works."""

    name: str
    version: str
    sha256: str


class JobInput(_Frozen):
    """What goes in: its kind, how many items, and the hash of their keys and stamps."""

    kind: str
    items: int
    digest: str


class JobOutput(_Frozen):
    """What comes out: image files of a format or none, and items of a shard."""

    images: Literal["png", "webp", "jpeg"] | None
    shard_rows: int


class JobLimits(_Frozen):
    """What an image may have; beyond it, it is a failure."""

    max_image_pixels: int
    max_image_bytes: int


class Job(_Frozen):
    """``job.json``: all that decides what the output is.

    Device, threads and batch size are not in it: they do not change the output.
    """

    schema_version: Literal[1] = 1
    operation: str
    parameters: dict[str, Any]
    bundle: JobBundle
    input: JobInput
    output: JobOutput
    limits: JobLimits


class Ledger:
    """The output folder of one job.

    Args:
        out: The folder; made if missing.

    Attributes:
        out: As above.
        rows: The folder of shards.
        images: The folder of image files.
        errors: The table of failed items.
    """

    def __init__(self, out: Path) -> None:
        """Nothing is made yet."""
        self.out = out
        self.rows = out / ROWS_FOLDER
        self.images = out / IMAGES_FOLDER
        self.errors = out / ERRORS_FILE

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while the context lasts; a killed one keeps nobody out.

        Raises:
            BatchError: The folder cannot be made, holds other things, or another process is in it.
        """
        try:
            self.rows.mkdir(parents=True, exist_ok=True)
            foreign = sorted(path.name for path in self.out.iterdir() if not self._ours(path))
        except OSError as error:
            raise cannot_write(self.out, error) from error
        if foreign:
            self._drop_empty()
            raise BatchError(
                f"{self.out} holds things that no job wrote ({', '.join(foreign[:5])}); choose an "
                "empty or new folder with --out"
            )
        try:
            with FileLock(self.out / LOCK_FILE, timeout=0):
                yield
        except Timeout:
            raise BatchError(
                f"another process works in {self.out}; wait for it or choose another --out"
            ) from None
        except PermissionError as error:
            raise cannot_write(self.out, error) from error

    def begin(self, job: Job) -> None:
        """Write the job's file, or find that the one there says the same.

        Raises:
            BatchError: It says something else; the message names what.
        """
        file = self.out / JOB_FILE
        if not file.exists():
            if any(self.rows.glob("*.parquet")):
                raise BatchError(f"{self.rows} holds shards of no job ({file} is missing)")
            write_whole(file, job.model_dump_json(indent=2).encode() + b"\n")
            return
        known = self.known()
        there, here = _flat(known.model_dump()), _flat(job.model_dump())
        differs = [
            f"{name} was {there.get(name)!r} and is now {here.get(name)!r}"
            for name in sorted(there.keys() | here.keys())
            if there.get(name) != here.get(name)
        ]
        if differs:
            raise BatchError(
                f"{self.out} belongs to another job: {'; '.join(differs)}. Give the same command "
                "to go on, or choose another --out"
            )

    def known(self) -> Job:
        """What the job's file says.

        Raises:
            BatchError: There is none, or it cannot be read.
        """
        file = self.out / JOB_FILE
        try:
            return Job.model_validate_json(file.read_bytes())
        except (OSError, ValidationError) as error:
            raise BatchError(
                f"{file} cannot be read ({error}); give the folder of a job"
            ) from error

    def missing(self, plan: Plan) -> list[int]:
        """The shards that are not there, lowest first."""
        there = {path.name for path in self.rows.glob("*.parquet")}
        return [shard for shard in range(plan.shards) if shard_name(shard) not in there]

    def _ours(self, path: Path) -> bool:
        return path.name.startswith(".") or path in {
            self.rows,
            self.images,
            self.errors,
            *(self.out / name for name in (JOB_FILE, INDEX_FILE, INDEX_FACTS)),
        }

    def _drop_empty(self) -> None:
        if not any(self.rows.iterdir()):
            self.rows.rmdir()


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found

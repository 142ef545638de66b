"""Nearest items of a finished job, by their latents.

    OUT/rows → latents [N, L] → OUT/index.usearch;  latent [L] → row numbers → keys and distances

Knows no model: what a question's latent is made of is `batch.question`'s.

1. Row i of the job is number i of the index; failed items are not in it.
2. An index belongs to one job: it is refused once `job.json` is another.
3. Distance is the squared Euclidean one, in which shifts are straight lines of even length.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
from pyarrow import parquet
from pydantic import BaseModel, ConfigDict, ValidationError
from usearch.index import Index

from batch.errors import BatchError
from batch.ledger import Ledger
from batch.shard_file import write_whole
from batch.shards import INDEX_FACTS, INDEX_FILE, JOB_FILE, Plan, shard_name
from bundle.store import sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from batch.ledger import Job

    Float32 = NDArray[np.float32]

COLUMNS = ("mean", "latent")
"""Of latents; a job has one of them."""


class _Facts(BaseModel):
    """What an index was made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_sha256: str
    column: str
    items: int


@dataclass(frozen=True)
class Hit:
    """An item that was found.

    Attributes:
        row: Its number in the job.
        key: Its key.
        file: Its image's file, relative to OUT, if the job wrote files.
        distance: Squared, from the question.
    """

    row: int
    key: str
    file: str | None
    distance: float


def build_index(out: Path, progress: Callable[[int], None] = lambda _: None) -> int:
    """Index a finished job's latents; gives how many there are.

    The index is built in memory: its size is that of the latents and about a fifth more.

    Raises:
        BatchError: The job is not finished, has no latents, or the disk is full.
    """
    ledger = Ledger(out)
    job = ledger.known()
    plan = Plan(job.input.items, job.output.shard_rows)
    if ledger.missing(plan):
        raise BatchError(f"the job in {out} is not finished; run its command again first")
    index: Any = None
    column = ""
    for shard in range(plan.shards):
        column, rows, latents = _latents(ledger.rows / shard_name(shard))
        if index is None:
            index = Index(ndim=latents.shape[1], metric="l2sq", dtype="f32")
        if len(rows):
            index.add(rows + plan.bounds(shard)[0], latents)
        progress(plan.bounds(shard)[1])
    if index is None or not len(index):
        raise BatchError(f"no item of {out} has a latent, so that there is nothing to find")
    facts = _Facts(job_sha256=_job_hash(out), column=column, items=len(index))
    # The facts last: they say that the index beside them is whole.
    (out / INDEX_FACTS).unlink(missing_ok=True)
    _save(index, out / INDEX_FILE)
    write_whole(out / INDEX_FACTS, facts.model_dump_json(indent=2).encode() + b"\n")
    return facts.items


class LatentIndex:
    """The index of a job, opened without reading it whole.

    Args:
        out: The job's folder.

    Attributes:
        job: What the job was.

    Raises:
        BatchError: There is no index, or it is another job's.
    """

    def __init__(self, out: Path) -> None:
        """Compare the index with the job."""
        self._ledger = Ledger(out)
        self.job: Job = self._ledger.known()
        self._plan = Plan(self.job.input.items, self.job.output.shard_rows)
        try:
            facts = _Facts.model_validate_json((out / INDEX_FACTS).read_bytes())
        except (OSError, ValidationError) as error:
            raise BatchError(f"{out} has no index; run latentserve batch index {out}") from error
        if facts.job_sha256 != _job_hash(out):
            raise BatchError(
                f"the index in {out} is of another job; run latentserve batch index {out} again"
            )
        self._column = facts.column
        self._index: Any = Index.restore(out / INDEX_FILE, view=True)
        if self._index is None or len(self._index) != facts.items:
            raise BatchError(
                f"{out / INDEX_FILE} is damaged; run latentserve batch index {out} again"
            )

    @property
    def dimension(self) -> int:
        """L."""
        return int(self._index.ndim)

    def nearest(self, latent: Float32, count: int, *, exact: bool = False) -> list[Hit]:
        """The items nearest to ``latent`` float32 [L], the nearest first.

        Args:
            latent: The question.
            count: How many; fewer if the job has fewer.
            exact: Compare with every item, rather than by the graph, which may miss some.
        """
        found = self._index.search(latent, count, exact=exact)
        return [
            self._hit(int(row), float(distance))
            for row, distance in zip(found.keys, found.distances, strict=True)
        ]

    def latent_of(self, key: str) -> Float32:
        """The latent of the first item of that key.

        Raises:
            BatchError: There is no such item, or it failed.
        """
        for shard in range(self._plan.shards):
            path = self._ledger.rows / shard_name(shard)
            row = pc.index(parquet.read_table(path, columns=["key"])["key"], key).as_py()
            if row >= 0:
                latent = parquet.read_table(path, columns=[self._column])[self._column][row]
                if not latent.is_valid:
                    raise BatchError(f"{key!r} has no latent: it failed, see errors.parquet")
                return np.asarray(latent.values.to_numpy(), np.float32)
        raise BatchError(f"no item of {self._ledger.out} has the key {key!r}")

    def _hit(self, row: int, distance: float) -> Hit:
        shard, place = divmod(row, self._plan.shard_rows)
        path = self._ledger.rows / shard_name(shard)
        names = [name for name in ("key", "file") if name in parquet.read_schema(path).names]
        (told,) = parquet.read_table(path, columns=names).slice(place, 1).to_pylist()
        return Hit(row, told["key"], told.get("file"), distance)


def _latents(path: Path) -> tuple[str, NDArray[np.uint64], Float32]:
    """The column of latents, the numbers of the rows that have one, and these float32 [M, L]."""
    column = next(name for name in COLUMNS if name in parquet.read_schema(path).names)
    values = parquet.read_table(path, columns=[column])[column].combine_chunks()
    rows = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False)).astype(np.uint64)
    flat = values.drop_null().flatten().to_numpy(zero_copy_only=False)
    return column, rows, np.asarray(flat, np.float32).reshape(-1, values.type.list_size)


def _save(index: Index, target: Path) -> None:
    hidden = target.with_name(f".{target.name}.part")
    try:
        index.save(hidden)
        with hidden.open("rb") as file:
            os.fsync(file.fileno())
        hidden.replace(target)
    except (OSError, RuntimeError) as error:
        hidden.unlink(missing_ok=True)
        raise BatchError(f"{target} cannot be written: {error}; make room and try again") from error


def _job_hash(out: Path) -> str:
    return sha256((out / JOB_FILE).read_bytes())

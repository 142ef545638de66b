"""The arithmetic of shards: which items lie in which shard, and what its file is called.

items, rows of a shard → shard k holds items [k · rows, (k + 1) · rows)

Pure numbers; knows no file.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_SHARDS = 1_000_000
JOB_FILE = "job.json"
ROWS_FOLDER = "rows"
IMAGES_FOLDER = "images"
ERRORS_FILE = "errors.parquet"
INDEX_FILE = "index.usearch"
INDEX_FACTS = "index.json"


@dataclass(frozen=True)
class Plan:
    """How a job's items are cut into shards.

    Attributes:
        items: All items of the job.
        shard_rows: Items of a shard; the last one may have fewer.
    """

    items: int
    shard_rows: int

    def __post_init__(self) -> None:
        """Refuse what cannot be cut."""
        if self.items < 0 or self.shard_rows < 1:
            raise ValueError(f"{self.items} items cannot be cut into shards of {self.shard_rows}")

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.items // self.shard_rows)

    def bounds(self, shard: int) -> tuple[int, int]:
        """The first item of a shard, and the one after its last."""
        if not 0 <= shard < self.shards:
            raise ValueError(f"shard {shard} of {self.shards}")
        return shard * self.shard_rows, min((shard + 1) * self.shard_rows, self.items)

    def rows(self, shard: int) -> int:
        """Items of a shard."""
        start, stop = self.bounds(shard)
        return stop - start


def shard_name(shard: int) -> str:
    """The file of a shard: names sort as the items do."""
    return f"part-{shard:06d}.parquet"

"""The pipeline: bounded, in order, and nothing kept that is not whole."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from batch import pipeline
from batch.errors import BatchError
from batch.items import Item
from batch.listing import list_items
from batch.pipeline import Flow, run_shards
from batch.shards import Plan, shard_name
from batch.work import Done

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from batch.sources import Takes

SCHEMA = pa.schema([("key", pa.string())])


@dataclass
class Counted:
    """A source of numbers that counts how many it has given."""

    count: int
    content: bytes = b""
    changed_from: int | None = None
    given: int = 0
    kind: str = "given"
    name: str = "the input"
    why_empty: str = ""
    takes: Takes = "images"

    def entries(self) -> Iterator[tuple[str, str]]:
        return ((str(number), "") for number in range(self.count))

    def items(self, start: int, stop: int) -> Iterator[Item]:
        for number in range(start, stop):
            self.given += 1
            changed = self.changed_from is not None and number >= self.changed_from
            yield Item(number, str(number), "new" if changed else "", self.content)

    def reaches(self, folder: Path) -> bool:
        raise NotImplementedError

    def notes(self) -> Sequence[str]:
        return ()


@dataclass
class Pipeline:
    """A pipeline over a counted source; later chunks are often done before earlier ones."""

    source: Counted
    folder: Path
    shard_rows: int = 10
    flow: Flow = field(default_factory=lambda: Flow(chunk=3, in_flight=4))
    fails_at: int | None = None
    written: int = 0
    most: int = 0
    chunks: list[int] = field(default_factory=list)

    async def work(self, items: Sequence[Item]) -> Done:
        self.chunks.append(len(items))
        for _ in range(items[0].number * 7 % 12):
            await asyncio.sleep(0)
            self.most = max(self.most, self.source.given - self.written)
        if self.fails_at in [item.number for item in items]:
            raise BatchError("the graph broke")
        keys = pa.array([item.key for item in items])
        return Done(pa.RecordBatch.from_arrays([keys], schema=SCHEMA), 0)

    def run(self, shards: Sequence[int] | None = None) -> None:
        listing = list_items(self.source, self.shard_rows)
        plan = Plan(listing.items, self.shard_rows)

        def progress(items: int, _failed: int) -> None:
            self.written += items

        asyncio.run(
            run_shards(
                range(plan.shards) if shards is None else shards,
                source=self.source,
                plan=plan,
                listing=listing,
                flow=self.flow,
                work=self.work,
                schema=SCHEMA,
                folder=self.folder,
                progress=progress,
            )
        )

    def kept(self) -> dict[str, list[str]]:
        files = sorted(self.folder.iterdir())
        return {path.name: parquet.read_table(path)["key"].to_pylist() for path in files}


@pytest.mark.parametrize("in_flight", [1, 4])
def test_rows_are_in_order_and_few_items_are_held(tmp_path: Path, in_flight: int) -> None:
    run = Pipeline(Counted(1000), tmp_path, shard_rows=70, flow=Flow(3, in_flight))
    run.run()
    rows = [key for keys in run.kept().values() for key in keys]
    assert rows == [str(number) for number in range(1000)]
    assert len(run.kept()["part-000000.parquet"]) == 70
    # What waits for the writer counts, and so does the chunk that the reader has at hand.
    assert 0 < run.most <= 3 * (in_flight + 1)


def test_large_items_go_in_smaller_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "CHUNK_BYTES", 50)
    run = Pipeline(Counted(20, content=b"x" * 30), tmp_path, flow=Flow(8, 2))
    run.run()
    assert run.chunks == [2] * 10


def test_only_the_shards_that_are_asked_for_are_done(tmp_path: Path) -> None:
    run = Pipeline(Counted(35), tmp_path)
    run.run([1, 3])
    assert run.kept() == {
        shard_name(1): [str(number) for number in range(10, 20)],
        shard_name(3): [str(number) for number in range(30, 35)],
    }


def test_a_failure_keeps_the_whole_shards_and_no_part_of_one(tmp_path: Path) -> None:
    run = Pipeline(Counted(100), tmp_path, fails_at=57)
    with pytest.raises(BatchError, match="the graph broke"):
        run.run()
    assert list(run.kept()) == [shard_name(shard) for shard in range(5)]


def test_a_shard_whose_input_has_changed_is_not_kept(tmp_path: Path) -> None:
    source = Counted(100)
    run = Pipeline(source, tmp_path)
    source.changed_from = 25
    with pytest.raises(BatchError, match=r"the input changed .* items 20 to 29"):
        run.run()
    assert list(run.kept()) == [shard_name(0), shard_name(1)]

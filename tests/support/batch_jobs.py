"""What tests of offline jobs share: trees of small pictures, jobs on a tiny bundle, their rows."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from batch.job import JobOptions, Summary, run_job
from batch.operations import TAKES, Operation
from batch.sources import open_source
from batch.sources.drawn import DrawnSource
from bundle import open_bundle
from inference.sampling import Priors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from batch.sources import Source
    from bundle.store import Bundle

OPTIONS = frozenset(JobOptions.__dataclass_fields__) - {"out"}


def picture(number: int, *, width: int = 20, height: int = 16, suffix: str = ".png") -> bytes:
    """A picture of its own for each number, as a file of the format of ``suffix``."""
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, {".png": "PNG", ".jpg": "JPEG"}[suffix])
    return buffer.getvalue()


def make_tree(root: Path, count: int) -> list[str]:
    """``count`` pictures in three folders, PNG and JPEG by turns; their keys in the job's order."""
    keys = []
    for number in range(count):
        suffix = (".png", ".jpg")[number % 2]
        key = f"{'abc'[number % 3]}/{number:04d}{suffix}"
        file = root / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(number, suffix=suffix))
        keys.append(key)
    return sorted(keys)


def make_parquet(
    path: Path, columns: Mapping[str, Sequence[Any] | pa.Array], rows: int = 7
) -> None:
    """A Parquet file with row groups of ``rows`` rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(dict(columns)), path, row_group_size=rows)


def source_of(bundle: Bundle, operation: Operation, given: Path | str | int) -> Source:
    """The source that the command would open; of ``sample``, ``given`` is the count."""
    if isinstance(given, int):
        stream = Priors(bundle).stream
        return DrawnSource(
            given, partial(stream, operation.seed, operation.temperature, operation.prior)
        )
    return open_source(str(given), TAKES[operation.name])


def job(bundle: Path, operation: str, given: Path | str | int, out: Path, **more: Any) -> Summary:
    """Run a job; ``more`` are parameters of the operation and options of the job."""
    options = {name: value for name, value in more.items() if name in OPTIONS}
    given_to = {name: value for name, value in more.items() if name not in OPTIONS}
    opened = open_bundle(bundle)
    what = Operation(operation, **given_to)  # type: ignore[arg-type]
    source = source_of(opened, what, given)
    return run_job(opened, what, source, JobOptions(out, **{"threads": 2, **options}))


def rows_of(out: Path) -> pa.Table:
    """All rows of a job, shard after shard."""
    return pa.concat_tables(parquet.read_table(file) for file in sorted((out / "rows").iterdir()))


def vectors(table: pa.Table, column: str) -> np.ndarray:
    """A column of latents as float32 [N, L]; NaN where it is null."""
    rows = table[column].to_pylist()
    width = max(len(row) for row in rows if row is not None)
    return np.array([row if row is not None else [np.nan] * width for row in rows], np.float32)


def images_of(table: pa.Table) -> np.ndarray:
    """The column of PNG files as uint8 [N, H, W, C]."""
    opened = [np.asarray(Image.open(io.BytesIO(each))) for each in table["image"].to_pylist()]
    return np.stack(opened)


def errors_of(out: Path) -> dict[str, tuple[str, str]]:
    """Of each failed item its slug and message, by key."""
    rows = parquet.read_table(out / "errors.parquet").to_pylist()
    return {row["key"]: (row["slug"], row["message"]) for row in rows}

"""The work on one batch of items: from what the source gave to rows of the output.

    items → fetched in a thread → decoded and run on the engine → image files, rows in a thread

The one function that does the work, on one machine and on many.

1. What is wrong with an item is in its own row; the others of its batch are done.
2. What fails otherwise (a graph, the disk) stops the job.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from batch.errors import BatchError, cannot_write
from batch.items import Failure
from batch.picture_files import picture_name, write_picture
from batch.rows import make_rows, row_schema
from inference.call import Call
from inference.errors import InferenceFailed, ServingError
from inference.images import encode
from inference.ride import LazyRows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from batch.items import Item
    from batch.loading import Loaded, Loader
    from batch.operations import Operation, Result
    from batch.picture_files import ImageFormat
    from batch.sources.source import Takes
    from inference.engine import Engine


@dataclass(frozen=True)
class Done:
    """A batch that is done.

    Attributes:
        rows: One for each item.
        failed: How many of them have an error.
    """

    rows: pa.RecordBatch
    failed: int


class Work:
    """Does batches of items on one engine; several at once.

    Args:
        engine: A warm one.
        operation: What to do.
        takes: What the items are.
        load: Makes arrays of them.
        images: The format of image files; None puts PNG into the rows.
        folder: Where image files go.
    """

    def __init__(
        self,
        engine: Engine,
        operation: Operation,
        takes: Takes,
        load: Loader,
        *,
        images: ImageFormat | None,
        folder: Path,
    ) -> None:
        """Nothing is done yet."""
        self._engine = engine
        self._operation = operation
        self._takes = takes
        self._load = load
        self._images = images
        self._folder = folder
        self._manifest = engine.bundle.manifest
        self.schema = row_schema(operation, self._manifest, files=images is not None)

    async def __call__(self, items: Sequence[Item]) -> Done:
        """Do a batch.

        Raises:
            BatchError: A graph failed, or the disk.
        """
        engine, call, load = self._engine, Call(caller="batch"), self._load
        # Pictures of any size are needed one by one; all else is read where it is run.
        read = load if self._operation.detail else load.fetch
        loaded = await engine.codec(call, lambda: [read(item.content) for item in items])
        failures = [each if isinstance(each, Failure) else None for each in loaded]
        good: Any = [each for each in loaded if not isinstance(each, Failure)]
        if any(isinstance(each, bytes) for each in loaded):
            good = self._lazy(loaded, failures)
        try:
            result = (
                await self._operation.run(engine, call, self._takes, good) if len(good) else None
            )
        except InferenceFailed as error:
            raise BatchError(
                f"the graphs failed on items {items[0].key!r} to {items[-1].key!r}: "
                f"{error.__cause__ or error}; a smaller --batch-size needs less memory"
            ) from error
        places = [index for index, each in enumerate(loaded) if not isinstance(each, Failure)]
        try:
            return await engine.codec(call, self._finish, items, failures, places, result)
        except OSError as error:
            raise cannot_write(self._folder, error) from error

    def _lazy(self, loaded: Sequence[bytes | Loaded], failures: list[Failure | None]) -> LazyRows:
        """Rows of all that was fetched; a damaged image is noted, and black in its batch."""
        shape = self._manifest.image.shape

        def row(index: int) -> NDArray[Any]:
            read = self._load.read(loaded[index])
            failures[index] = read if isinstance(read, Failure) else None
            return np.zeros(shape, np.uint8) if isinstance(read, Failure) else read

        fetched = [index for index, each in enumerate(loaded) if not isinstance(each, Failure)]
        return LazyRows([partial(row, index) for index in fetched])

    def _finish(
        self,
        items: Sequence[Item],
        failures: list[Failure | None],
        good: Sequence[int],
        result: Result | None,
    ) -> Done:
        """Encode images, write files, make rows; row i of ``result`` is of item ``good[i]``."""
        cells: list[Any] = []
        if result is not None and result.images is not None:
            for index, image in zip(good, result.images, strict=True):
                cell = failures[index] or self._cell(items[index], image)
                cells.append(cell)
                failures[index] = cell if isinstance(cell, Failure) else None
        columns = self._columns(result, failures, good, cells)
        rows = make_rows(
            self.schema, self._manifest, [item.key for item in items], failures, columns
        )
        return Done(rows, sum(failure is not None for failure in failures))

    def _cell(self, item: Item, image: NDArray[np.uint8]) -> bytes | str | Failure:
        try:
            content = encode(image, f"image/{self._images or 'png'}")
        except ServingError as error:
            return Failure.of(error)
        if self._images is None:
            return content
        name = picture_name(item.key, self._images)
        failure = write_picture(self._folder, name, item.number, content)
        return f"{self._folder.name}/{name}" if failure is None else failure

    def _columns(
        self,
        result: Result | None,
        failures: Sequence[Failure | None],
        good: Sequence[int],
        cells: Sequence[Any],
    ) -> dict[str, Any]:
        """By column, the results of the items that have still not failed."""
        names = [name for name in self.schema.names if name in _RESULTS]
        if result is None:
            return {name: [] for name in names}
        still = [place for place, index in enumerate(good) if failures[index] is None]
        images = [cells[place] for place in still] if cells else []
        found: dict[str, Any] = {"file": images, "image": images}
        for name in ("mean", "latent"):
            found[name] = result.latents[still]
        if result.logvar is not None:
            found["logvar"] = result.logvar[still]
        return {name: found[name] for name in names}


_RESULTS = frozenset(("file", "image", "latent", "mean", "logvar"))

"""A batch on the thread that runs its graph: rows are made, run and made use of in one go.

    Batch → rows of each part (made now where they are `LazyRows`) → run [size, …]
          → outputs, part by part → its `Finish` → one Landing for each part

A way to another thread and back costs as much as reading a small image, so what belongs to a batch
happens where the batch is. Knows no event loop, no model and no format of images.

1. What goes wrong in making one ticket's rows ends that ticket alone; the others run without it.
2. What goes wrong in the run is everybody's, and raised.
3. A `Finish` is called at most once, and here only if all rows of its ticket ride together.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import ServingError
from inference.ticket import check_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from inference.ticket import Batch, Outputs, Part, Rows


class LazyRows:
    """Rows [n, …] that are made when a batch takes them, such as images not decoded yet.

    Args:
        makers: One for each row; gives the row, or raises what the caller is told. Called on any
            thread, and again if the batch is tried a second time.
    """

    def __init__(self, makers: Sequence[Callable[[], NDArray[Any]]]) -> None:
        """Nothing is made yet."""
        self.makers = makers

    def __len__(self) -> int:
        """N."""
        return len(self.makers)

    def __getitem__(self, rows: slice) -> Rows:
        """Make some of the rows, [stop - start, …]."""
        return np.stack([make() for make in self.makers[rows]])


class Finish:
    """What shall be done with a ticket's outputs before its caller has them.

    Args:
        function: Takes the outputs, each [n, …].

    Attributes:
        done: Whether it was called.
        error: What it raised.
        seconds: That it took.
    """

    def __init__(self, function: Callable[[Outputs], object]) -> None:
        """It was not called yet."""
        self._function = function
        self.done = False
        self.error: Exception | None = None
        self.seconds = 0.0

    def __call__(self, outputs: Outputs) -> None:
        """Call it; what it raises is kept for its caller, and nobody else's affair."""
        started = time.perf_counter()
        try:
            self._function(outputs)
        except Exception as error:  # noqa: BLE001  (raised again where the caller waits)
            self.error = error
        self.done = True
        self.seconds = time.perf_counter() - started


@dataclass(slots=True)
class Landing:
    """What became of one part of a batch.

    Attributes:
        outcome: Its outputs, each [size, …], views; or why its rows could not be made.
        made_s: Seconds spent making its rows.
    """

    outcome: Outputs | Exception
    made_s: float = 0.0


def ride(batch: Batch, run: Callable[[Rows], Outputs]) -> list[Landing]:
    """Make the rows of ``batch``, run them, hand out the outputs.

    Args:
        batch: Its tickets' ``finish`` are called.
        run: The graph: rows [n, …] → outputs, each [n, …].

    Returns:
        One landing for each part, in their order.

    Raises:
        InferenceFailed: An output has not as many rows as went in.
        Exception: Whatever ``run`` raises.
    """
    made = [_make(part) for part in batch.parts]
    live = [
        (part, landing, rows)
        for part, (landing, rows) in zip(batch.parts, made, strict=True)
        if rows is not None
    ]
    if live:
        together = [rows for _, _, rows in live]
        # One ticket alone is not copied.
        rows = together[0] if len(together) == 1 else np.concatenate(together)
        outputs = run(rows)
        check_rows(outputs, len(rows))
        first = 0
        for part, landing, mine in live:
            last = first + len(mine)
            landing.outcome = views = tuple(output[first:last] for output in outputs)
            first = last
            finish = part.ticket.finish
            if finish is not None and part.size == part.ticket.size:
                finish(views)
    return [landing for landing, _ in made]


def _make(part: Part) -> tuple[Landing, Rows | None]:
    if isinstance(part.ticket.rows, np.ndarray):
        return Landing(()), part.rows
    started = time.perf_counter()
    try:
        rows = part.rows
    except ServingError as error:
        # Kept by frames that its own traceback knows: neither would go before the next collection.
        return Landing(error.without_frames(), time.perf_counter() - started), None
    except Exception as error:  # noqa: BLE001  (raised again where the caller waits)
        return Landing(error, time.perf_counter() - started), None
    return Landing((), time.perf_counter() - started), rows

"""How much memory all request bodies of a worker may hold at once.

bytes as they come → lease of their request → sum over all requests ≤ limit, or queue_full

Counts bytes and keeps none; knows no request.

1. A lease ends with its request, however that ends.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from inference.errors import QueueFull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODIES_AT_ONCE = 16
"""So many bodies of the largest size fit; of smaller ones more."""


class Bodies:
    """The bodies that a worker holds now.

    Args:
        max_body_bytes: The largest single body.

    Attributes:
        held: Bytes of all of them.
    """

    def __init__(self, max_body_bytes: int) -> None:
        """None is held."""
        self.held = 0
        self._limit = BODIES_AT_ONCE * max_body_bytes

    @contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        """A function to tell of each number of bytes that came; all are given back at the end.

        Raises:
            QueueFull: From that function; the bytes do not fit beside what others sent.
        """
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            if self.held + count > self._limit:
                raise QueueFull(
                    f"the bodies of all running requests hold {self.held} bytes, and {count} more "
                    f"would pass the limit of {self._limit} ({BODIES_AT_ONCE} × `max_body_bytes`); "
                    "try again in a second",
                    retry_after_s=1.0,
                )
            self.held += count
            mine += count

        try:
            yield take
        finally:
            self.held -= mine

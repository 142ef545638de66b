"""How much of something all requests of a worker may hold at once.

amounts as they come → lease of their request → sum over all requests ≤ limit, or a refusal

Counts and keeps nothing; knows neither what is counted nor any request.

1. A lease ends with its request, however that ends.
2. One caller cannot shut the others out (`inference.reserve`).
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from inference.reserve import Reserve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inference.errors import ServingError


class Leases:
    """What the requests of a worker hold now.

    Attributes:
        held: The sum over all of them.
    """

    def __init__(self) -> None:
        """Nothing is held."""
        self.held = 0
        self._by_caller: dict[str, int] = {}
        self._reserve = Reserve()

    @property
    def limit(self) -> int:
        """The most that all requests may hold together."""
        raise NotImplementedError

    def refusal(self, count: int) -> ServingError:
        """What a request is told whose further ``count`` do not fit beside what is held."""
        raise NotImplementedError

    @contextmanager
    def lease(self, caller: str = "anonymous") -> Iterator[Callable[[int], None]]:
        """A function to tell of each amount that came; all of them are given back at the end.

        Args:
            caller: Whose request it is.

        Raises:
            ServingError: From that function: the `refusal`.
        """
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            before = self._by_caller.get(caller, 0)
            if not self._reserve.admits(
                count,
                mine=before,
                taken=self.held,
                callers=len(self._by_caller) + (not before),
                limit=self.limit,
                now=time.monotonic(),
            ):
                raise self.refusal(count)
            if count:
                self._by_caller[caller] = before + count
                self.held += count
                mine += count

        try:
            yield take
        finally:
            if mine:
                self.held -= mine
                self._by_caller[caller] -= mine
                if not self._by_caller[caller]:
                    del self._by_caller[caller]

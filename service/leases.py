"""How much of something all requests of a worker may hold at once.

amounts as they come → lease of their request → sum over all requests ≤ limit, or a refusal

Counts and keeps nothing; knows neither what is counted nor any request.

1. A lease ends with its request, however that ends.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

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

    @property
    def limit(self) -> int:
        """The most that all requests may hold together."""
        raise NotImplementedError

    def refusal(self, count: int) -> ServingError:
        """What a request is told whose further ``count`` do not fit beside what is held."""
        raise NotImplementedError

    @contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        """A function to tell of each amount that came; all of them are given back at the end.

        Raises:
            ServingError: From that function: the `refusal`.
        """
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            if self.held + count > self.limit:
                raise self.refusal(count)
            self.held += count
            mine += count

        try:
            yield take
        finally:
            self.held -= mine

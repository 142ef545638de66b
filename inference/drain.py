"""How fast a queue drains, measured from its finished batches: what Retry-After is made of.

(items, time) of each finished batch → fading sums of items and busy seconds → seconds to wait
"""

from __future__ import annotations

import math


class DrainRate:
    """How fast items leave: items a second of busy time, recent batches weighing most."""

    _MEMORY_S = 5.0
    _UNMEASURED_S = 1.0
    _BOUNDS_S = (0.01, 60.0)

    def __init__(self) -> None:
        """Nothing is measured yet."""
        self._items = 0.0
        self._seconds = 0.0
        self._since = 0.0

    def begin(self, now: float) -> None:
        """Work begins after idling: the time until now does not count."""
        self._since = now

    def add(self, items: int, now: float) -> None:
        """A batch finished, and with it ``items`` have left."""
        elapsed = max(0.0, now - self._since)
        self._since = now
        # Both sums fade alike, so batches that land at the same instant divide by no zero.
        keep = math.exp(-elapsed / self._MEMORY_S)
        self._items = keep * self._items + items
        self._seconds = keep * self._seconds + elapsed

    def seconds_for(self, items: int) -> float:
        """Seconds until ``items`` have left; a guess of one second before any measurement."""
        if not self._items or not self._seconds:
            return self._UNMEASURED_S
        low, high = self._BOUNDS_S
        return min(max(items * self._seconds / self._items, low), high)

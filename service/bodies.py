"""How much memory all request bodies of a worker may hold at once.

bytes as they come → lease of their request → sum over all requests ≤ limit, or queue_full

Counts bytes and keeps none; knows no request.
"""

from __future__ import annotations

from inference.errors import QueueFull
from service.leases import Leases

BODIES_AT_ONCE = 16
"""So many bodies of the largest size fit; of smaller ones more."""


class Bodies(Leases):
    """The bodies that a worker holds now, in bytes.

    Args:
        max_body_bytes: The largest single body.
    """

    def __init__(self, max_body_bytes: int) -> None:
        """None is held."""
        super().__init__()
        self._max_body_bytes = max_body_bytes

    @property
    def limit(self) -> int:
        """Bytes of all bodies at most."""
        return BODIES_AT_ONCE * self._max_body_bytes

    def refusal(self, count: int) -> QueueFull:
        """There will be room once other requests are answered."""
        return QueueFull(
            f"the bodies of all running requests hold {self.held} bytes, and {count} more would "
            f"pass the limit of {self.limit} ({BODIES_AT_ONCE} × `max_body_bytes`); try again in a "
            "second",
            retry_after_s=1.0,
        )

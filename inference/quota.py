"""How many items one caller may have in a worker, where its key says so.

    call (caller, max_items), items → counted until answered | QueueFull, TooManyItems

Counts items of limited callers alone: a call without a limit costs one comparison.

1. No caller has more items counted than its limit.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from inference.drain import DrainRate
from inference.errors import QueueFull, TooManyItems

if TYPE_CHECKING:
    from collections.abc import Callable

    from inference.call import Call


class _Share:
    """What one limited caller has now, and how fast it leaves."""

    __slots__ = ("drain_rate", "items")

    def __init__(self) -> None:
        self.items = 0
        self.drain_rate = DrainRate()


class Quotas:
    """The items of all limited callers.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody has any."""
        self._clock = clock
        self._shares: dict[str, _Share] = {}

    def take(self, call: Call, items: int) -> None:
        """Count ``items`` of ``call``, which must be given back.

        Raises:
            TooManyItems: They are more than its caller may ever have at once.
            QueueFull: They do not fit beside what its caller has now.
        """
        if call.max_items is None:
            return
        share = self._shares.setdefault(call.caller, _Share())
        check_quota(call, items, share.items, share.drain_rate)
        if not share.items:
            share.drain_rate.begin(self._clock())
        share.items += items

    def give_back(self, call: Call, items: int) -> None:
        """``items`` of ``call`` were answered, or have failed."""
        if call.max_items is None:
            return
        share = self._shares[call.caller]
        share.items -= items
        share.drain_rate.add(items, self._clock())


def check_quota(call: Call, items: int, mine: int, drain_rate: DrainRate) -> None:
    """Refuse what is beyond the limit of the caller's key, if it has one.

    Args:
        call: Whose items come.
        items: How many.
        mine: That its caller has already.
        drain_rate: How fast these leave.

    Raises:
        TooManyItems: They are more than its caller may ever have at once.
        QueueFull: They do not fit beside what its caller has now.
    """
    limit = call.max_items
    if limit is None or mine + items <= limit:
        return
    if items > limit:
        raise TooManyItems(
            f"the request holds {items} items, and the key of {call.caller!r} may have {limit} at "
            "a time; split the request, or ask the operator for a larger `max_items` of the key",
            details={"limit": limit},
        )
    seconds = drain_rate.seconds_for(mine)
    raise QueueFull(
        f"{mine} items of {call.caller!r} are being worked on and this request brings {items} "
        f"more, but its key may have {limit} at a time; try again in {seconds:.2f} s, or ask the "
        "operator for a larger `max_items` of the key",
        retry_after_s=seconds,
        details={"limit": limit},
    )

"""Who may still come into a room that is getting full: room is kept for those who take little.

    items that come, the caller's own, everybody's, how many callers → let in or not

Counts nothing itself and knows no queue and no clock; whoever keeps the counts asks.

1. While nobody was turned away, one caller may take the whole room.
2. From then on, and until nobody has needed it for `KEPT_S`, an eighth of it is kept for *modest*
   callers: who has nothing in it yet, or no more than an equal part of that eighth, counting what
   comes.
3. Once what was there has left, a caller that stays modest is turned away only for what other
   modest callers took of that eighth.
"""

from __future__ import annotations

import math

KEPT_S = 60.0
"""Not only until the room is empty: who floods it empties it, too, each time it waits as told."""
_PART = 8


class Reserve:
    """The part of one room that is kept for modest callers; none at first."""

    __slots__ = ("_kept_until",)

    def __init__(self) -> None:
        """Nobody was turned away yet."""
        self._kept_until = -math.inf

    def has_room(self, items: int, *, taken: int, limit: int, now: float) -> bool:
        """Whether ``items`` more fit whosever they are: the question that is asked first."""
        kept = _part(limit) if now < self._kept_until else 0
        return taken + items <= limit - kept

    def admits(
        self, items: int, *, mine: int, taken: int, callers: int, limit: int, now: float
    ) -> bool:
        """Whether ``items`` more fit; once a modest caller's do not, room is kept for the like.

        Args:
            items: That come.
            mine: That their caller has in the room.
            taken: That are in the room.
            callers: That have items in the room, the one who comes included.
            limit: Of the room.
            now: Seconds, on a clock that never goes back.
        """
        if self.has_room(items, taken=taken, limit=limit, now=now):
            return True
        if mine and (mine + items) * callers > _part(limit):
            return False
        self._kept_until = now + KEPT_S
        return taken + items <= limit


def _part(limit: int) -> int:
    return max(1, limit // _PART)

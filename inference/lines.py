"""Who goes first: tickets wait in one line per caller, and batches take from the lines in turn.

    ticket → its caller's line → fair shares of a batch [items by caller] → parts, oldest first

Knows no deadlines and no outcomes; counts items only.

1. With c callers waiting, a batch of b items takes at least b // c of each, or all that it has.
2. With more callers than b, those that were not served longest come first.
3. A batch is full if enough items wait: what one caller leaves of its share goes to the others.
4. Within a line the oldest ticket goes first; a ticket larger than the share is split.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING

from inference.ticket import Part

if TYPE_CHECKING:
    from collections.abc import Container

    from inference.ticket import Ticket


_LOOKED_AT = 64
"""Lines that `Lines.take_modest` looks at, however many wait."""


class _Line:
    """The tickets of one caller that have rows waiting, oldest first, and how many rows."""

    __slots__ = ("items", "tickets")

    def __init__(self) -> None:
        # OrderedDict: the oldest is found, and any is removed, in constant time.
        self.tickets: OrderedDict[int, Ticket] = OrderedDict()
        self.items = 0

    def oldest(self) -> Ticket:
        return next(iter(self.tickets.values()))


class Lines:
    """The waiting tickets of all callers.

    Attributes:
        items: Rows that wait, over all callers.
    """

    def __init__(self) -> None:
        """Nobody waits."""
        self.items = 0
        self._lines: OrderedDict[str, _Line] = OrderedDict()

    @property
    def callers(self) -> int:
        """How many callers have rows waiting."""
        return len(self._lines)

    def of(self, caller: str) -> int:
        """Rows of ``caller`` that wait."""
        line = self._lines.get(caller)
        return 0 if line is None else line.items

    @property
    def oldest_arrival(self) -> float | None:
        """When the oldest of the waiting tickets arrived; None if nobody waits."""
        return min((line.oldest().arrived for line in self._lines.values()), default=None)

    def add(self, ticket: Ticket) -> None:
        """``ticket`` goes to the end of its caller's line, a new caller to the end of the turn."""
        line = self._lines.setdefault(ticket.call.caller, _Line())
        line.tickets[ticket.number] = ticket
        line.items += ticket.size
        self.items += ticket.size

    def remove(self, ticket: Ticket) -> None:
        """Rows of ``ticket`` that still wait, wait no more."""
        if ticket.taken < ticket.size:
            self._advance(ticket, ticket.size - ticket.taken)

    def take(self, room: int) -> list[Part]:
        """Take at most ``room`` rows out of the lines; no ticket gives more than one part."""
        parts: list[Part] = []
        shares = self._shares(room)
        for caller, items in shares.items():
            parts += self._take_from(self._lines[caller], items)
        # Who was served goes to the end; of those, who had less comes first in the next batch.
        for caller in sorted(shares, key=shares.__getitem__):
            if caller in self._lines:
                self._lines.move_to_end(caller)
        return parts

    def take_modest(self, room: int, busy: Container[str]) -> list[Part]:
        """Take at most ``room`` rows, of callers who have no more and are not ``busy``."""
        parts: list[Part] = []
        for caller in list(islice(self._lines, _LOOKED_AT)):
            line = self._lines[caller]
            if caller not in busy and line.items <= room:
                room -= line.items
                parts += self._take_from(line, line.items)
        return parts

    def _shares(self, room: int) -> dict[str, int]:
        # More callers than room: each of the first gets one item, so the others need no look.
        shares = dict.fromkeys(islice(self._lines, room), 0)
        hungry = list(shares)
        while room and hungry:
            share = max(1, room // len(hungry))
            for caller in hungry:
                more = min(share, self._lines[caller].items - shares[caller], room)
                shares[caller] += more
                room -= more
            hungry = [caller for caller in hungry if self._lines[caller].items > shares[caller]]
        return shares

    def _take_from(self, line: _Line, items: int) -> list[Part]:
        parts = []
        while items:
            ticket = line.oldest()
            part = Part(ticket, ticket.taken, min(ticket.size, ticket.taken + items))
            parts.append(part)
            items -= part.size
            self._advance(ticket, part.size)
        return parts

    def _advance(self, ticket: Ticket, items: int) -> None:
        line = self._lines[ticket.call.caller]
        ticket.taken += items
        line.items -= items
        self.items -= items
        if ticket.taken == ticket.size:
            del line.tickets[ticket.number]
        if not line.items:
            del self._lines[ticket.call.caller]

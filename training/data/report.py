"""What of a data set was not read, and why: counts and first examples by reason.

    reader thread → ProblemLog.add(reason, item) → Problems (frozen) → text

Knows no file format. Readers go on after every problem; whoever starts a training sees the
counts before the first epoch.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

EXAMPLES = 3
"""Items named for each reason; the count stands for the rest."""


@dataclass(frozen=True)
class Problem:
    """One reason why items were left out or cut.

    Attributes:
        reason: In plain words, the same for every item of this kind.
        count: How many items.
        examples: The first few of them, each with its detail.
    """

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Problems:
    """Every problem met while a data set was read; empty if all went well."""

    rows: tuple[Problem, ...] = ()

    @property
    def total(self) -> int:
        """Items concerned, over all reasons."""
        return sum(row.count for row in self.rows)

    def count(self, reason: str) -> int:
        """Items left out for ``reason``; 0 if there were none."""
        return sum(row.count for row in self.rows if row.reason == reason)

    def __str__(self) -> str:
        """One line per reason: ``  12 x unreadable image (a.jpg: truncated; …)``."""
        lines = []
        for row in self.rows:
            more = "; …" if row.count > len(row.examples) else ""
            lines.append(f"  {row.count} × {row.reason} ({'; '.join(row.examples)}{more})")
        return "\n".join(lines)


class ProblemLog:
    """Collects problems from several threads."""

    def __init__(self) -> None:
        """Start with no problem."""
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, reason: str, item: str, count: int = 1) -> None:
        """Count ``count`` items for ``reason``; ``item`` may become one of its examples."""
        with self._lock:
            self._counts[reason] = self._counts.get(reason, 0) + count
            examples = self._examples.setdefault(reason, [])
            if len(examples) < EXAMPLES:
                examples.append(item)

    def merge(self, problems: Problems) -> None:
        """Take over what another log has collected."""
        for row in problems.rows:
            for number, example in enumerate(row.examples or ("",)):
                rest = row.count - max(len(row.examples), 1)
                self.add(row.reason, example, 1 + (rest if number == 0 else 0))

    def freeze(self) -> Problems:
        """What was collected so far, the largest count first."""
        with self._lock:
            rows = [
                Problem(reason, count, tuple(sorted(self._examples[reason])))
                for reason, count in self._counts.items()
            ]
        return Problems(tuple(sorted(rows, key=lambda row: (-row.count, row.reason))))

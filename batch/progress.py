"""How far a job is: one line redrawn on a terminal, plain lines in a pipe.

items, failures → rate and time left → standard error
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable

PIPE_EVERY_S = 5.0


class Progress(Protocol):
    """Is told how a job goes."""

    def listed(self, items: int) -> None:
        """So many items were found so far."""

    def begin(self, done: int, total: int) -> None:
        """The work begins; ``done`` of ``total`` items were done before."""

    def add(self, items: int, failed: int) -> None:
        """So many more are done, of which some failed."""

    def end(self) -> None:
        """The work ends, whatever became of it."""


class Silent:
    """Shows nothing."""

    def listed(self, items: int) -> None:
        """Nothing."""

    def begin(self, done: int, total: int) -> None:
        """Nothing."""

    def add(self, items: int, failed: int) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class Terminal(Silent):
    """One line, redrawn."""

    def __init__(self, label: str) -> None:
        """Nothing is shown yet."""
        self._label = label
        self._failed = 0
        self._bar: tqdm[None] | None = None

    def begin(self, done: int, total: int) -> None:
        """Show the line."""
        self._bar = tqdm(initial=done, total=total, desc=self._label, unit="item", smoothing=0.1)

    def add(self, items: int, failed: int) -> None:
        """Move it on."""
        self._failed += failed
        if self._bar is not None:
            if failed:
                self._bar.set_postfix(failed=self._failed, refresh=False)
            self._bar.update(items)

    def end(self) -> None:
        """Leave the line as it is."""
        if self._bar is not None:
            self._bar.close()


class Lines(Silent):
    """A plain line now and then, and at the end.

    Args:
        label: What is done.
        stream: Where lines go.
        clock: Seconds.
    """

    def __init__(
        self, label: str, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is shown yet."""
        self._label = label
        self._stream = stream
        self._clock = clock
        self._begun = self._last = clock()
        self._before = self._done = self._total = self._failed = 0

    def listed(self, items: int) -> None:
        """A listing that takes long says how far it is."""
        if self._due():
            self._print(f"{items} items listed")

    def begin(self, done: int, total: int) -> None:
        """Start the clock."""
        self._begun = self._last = self._clock()
        self._before, self._done, self._total = done, done, total

    def add(self, items: int, failed: int) -> None:
        """Count, and write a line if one is due."""
        self._done += items
        self._failed += failed
        if self._due() or self._done == self._total:
            self._print(self._line())

    def _due(self) -> bool:
        now = self._clock()
        due = now - self._last >= PIPE_EVERY_S
        if due:
            self._last = now
        return due

    def _line(self) -> str:
        rate = (self._done - self._before) / max(self._clock() - self._begun, 1e-6)
        left_s = (self._total - self._done) / max(rate, 1e-6)
        share = 100 * self._done // max(self._total, 1)
        failed = f", {self._failed} failed" if self._failed else ""
        return (
            f"{self._done}/{self._total} ({share} %), {rate:.0f} items/s, "
            f"{_duration(left_s)} left{failed}"
        )

    def _print(self, text: str) -> None:
        self._stream.write(f"{self._label}: {text}\n")
        self._stream.flush()


def show(label: str) -> Progress:
    """The progress for standard error as it is: a terminal or not."""
    return Terminal(label) if sys.stderr.isatty() else Lines(label, sys.stderr)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{whole} s"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"

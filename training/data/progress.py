"""Progress of a long reading: one line redrawn on a terminal, plain lines in a pipe.

(done, total) → at most a few writes a second
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[int, int], None]

TERMINAL_EVERY_S = 0.1
PIPE_EVERY_S = 5.0


def silent(done: int, total: int) -> None:
    """Show nothing."""


def show(
    label: str, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Progress:
    """A progress that writes ``label``, count, share and items per second to ``stream``.

    Args:
        label: What is done, such as "reading images".
        stream: Standard error if not given.
        clock: Seconds.
    """
    out = sys.stderr if stream is None else stream
    terminal = out.isatty()
    every_s = TERMINAL_EVERY_S if terminal else PIPE_EVERY_S
    begun = clock()
    last = begun

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = clock()
        if done < total and now - last < every_s:
            return
        last = now
        rate = done / max(now - begun, 1e-6)
        line = f"{label}: {done}/{total} ({100 * done // max(total, 1)} %), {rate:.0f}/s"
        if terminal:
            out.write(f"\r{line}\x1b[K" + ("\n" if done >= total else ""))
        else:
            out.write(line + "\n")
        out.flush()

    return progress

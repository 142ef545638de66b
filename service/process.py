"""A worker's process: tuned for short requests beside threads that compute, and where it logs.

Knows nothing of what the process does; `settle` comes once everything is imported and opened.
"""

from __future__ import annotations

import gc
import logging
import sys

SWITCH_S = 5e-5
COLLECT_AFTER = (10_000, 20, 20)
"""Of `gc.set_threshold`; Python's own are (700, 10, 10)."""


def settle() -> None:
    """Keep Python itself from holding requests up.

    What was imported stays, so no garbage collection needs to look at it: one that does takes as
    long as dozens of requests. And a graph's thread that needs the interpreter for a moment gets
    it soon: by default it waits 5 ms for a busy event loop while its core does nothing.
    """
    # Nothing is collected first: imports leave next to no garbage, and looking takes a start long.
    gc.freeze()
    # Requests are freed without a collection; while hundreds wait, each looks at all of them.
    gc.set_threshold(*COLLECT_AFTER)
    sys.setswitchinterval(SWITCH_S)


def log_to_stderr(logger: logging.Logger, form: str) -> None:
    """Send a logger's lines to standard error in this form, whatever BentoML does with its own."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(form))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False

"""Which settings to try, and which of those that were tried to take.

    cores → stages of settings;  trials, p95 limit → the fastest trial within it

Knows no server and no clock.

1. One setting varies at a time, the others stay at the best found so far: what interacts most
   (workers and threads) is tried first and together.
2. Of trials that are equal but for noise, those of the settings that were tried first are taken
   (the defaults are the very first), and of these the one that answers sooner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NOISE = 0.03
"""Rates that lie closer together than this share count as equal."""
BATCH_SIZES = (8, 128)
DELAYS_MS = (1.0, 3.0)

LARGEST_SHARE = 100
"""Of one operation in a mix."""


@dataclass(frozen=True)
class Settings:
    """What is swept; names, units and defaults are those of ``latentserve serve``."""

    workers: int = 1
    threads: int = 0
    max_batch_size: int = 32
    max_queue_delay_ms: float = 0.0

    def flags(self) -> tuple[str, ...]:
        """As words of ``latentserve serve``."""
        return tuple(
            word
            for each in fields(self)
            for word in ("--" + each.name.replace("_", "-"), f"{getattr(self, each.name):g}")
        )


@dataclass(frozen=True)
class Trial:
    """What so many callers saw of a server with these settings.

    Attributes:
        settings: As swept.
        callers: At the same time, each with one request on its way.
        rate: Right answers a second.
        p50_ms: Half of them took at most so long.
        p95_ms: As above, 95 of 100.
        refused: Answers that asked to come back later.
        cores: CPU seconds of the server in a second.
    """

    settings: Settings
    callers: int
    rate: float
    p50_ms: float
    p95_ms: float
    refused: int
    cores: float


def first_stage(cores: int) -> list[Settings]:
    """Workers and threads: one worker with a thread per core, one with one, several with one."""
    counts = sorted({cores, max(1, cores // 2)} - {1})
    several = [Settings(workers=workers, threads=1) for workers in counts]
    mixed = [Settings(workers=2, threads=cores // 2)] if cores > 3 else []  # noqa: PLR2004 - 2 x 2
    return list(dict.fromkeys([Settings(), Settings(threads=1), *several, *mixed]))


def later_stages(best: Settings, stage: int) -> list[Settings]:
    """What to try around the best so far: batch sizes first, then delays; empty beyond."""
    if stage == 0:
        return [replace(best, max_batch_size=size) for size in BATCH_SIZES]
    if stage == 1:
        return [replace(best, max_queue_delay_ms=delay) for delay in DELAYS_MS]
    return []


def choose(trials: Sequence[Trial], p95_ms: float) -> Trial | None:
    """The trial with the highest rate of those within ``p95_ms`` that refused nobody.

    Returns:
        None if no trial is. Rates within `NOISE` of the highest count as equal to it.

    Raises:
        ValueError: The limit is not above 0.
    """
    if not p95_ms > 0 or math.isinf(p95_ms):
        raise ValueError(f"the p95 limit is {p95_ms} ms; it must be finite and above 0")
    fit = [trial for trial in trials if trial.p95_ms <= p95_ms and not trial.refused]
    if not fit:
        return None
    enough = (1 - NOISE) * max(trial.rate for trial in fit)
    equal = [trial for trial in fit if trial.rate >= enough]
    first = next(
        trial.settings for trial in trials if trial.settings in {e.settings for e in equal}
    )
    return min((trial for trial in equal if trial.settings == first), key=lambda e: e.p95_ms)


def quickest(trials: Sequence[Trial]) -> Trial:
    """The trial of the lowest p95, for whom the limit is out of reach."""
    return min(trials, key=lambda trial: trial.p95_ms)


def parse_mix(text: str) -> dict[str, int]:
    """``decode=3,encode`` → {"decode": 3, "encode": 1}.

    Raises:
        ValueError: Not of that form; a share is not from 1 to 100.
    """
    shares: dict[str, int] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        if not name or name in shares or not (share or "1").isascii():
            raise ValueError(f"the mix has {part!r}; write each operation once, as in decode=3")
        if not (share or "1").isdecimal() or not 1 <= int(share or 1) <= LARGEST_SHARE:
            raise ValueError(
                f"{name} has the share {share!r}; it must be a number from 1 to {LARGEST_SHARE}"
            )
        shares[name] = int(share or 1)
    return shares

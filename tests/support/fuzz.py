"""Damage for files and messages, and what of memory stays behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

MEMORY = Path("/proc/self/statm")


def damaged(files: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """One of them, some bytes changed, often cut or with something in between."""
    data = bytearray(files[rng.integers(len(files))])
    for place in rng.integers(0, len(data), rng.integers(1, 6)):
        data[place] = rng.integers(256)
    if rng.random() < 0.3:
        del data[rng.integers(1, len(data)) :]
    elif rng.random() < 0.2:
        place = rng.integers(len(data))
        data[place:place] = rng.bytes(int(rng.integers(1, 64)))
    return bytes(data)


def resident_bytes() -> int:
    """Bytes of this process that are in memory."""
    pages = int(MEMORY.read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

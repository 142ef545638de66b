"""How busy the device was while something ran.

nvidia-smi every 100 ms → mean of its readings | CPU seconds / seconds → cores
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUERY = "utilization.gpu,power.draw"
_EVERY_MS = 100


@dataclass
class Busy:
    """Filled when the block that it was given to has ended.

    Attributes:
        cores: CPU seconds of this process in a second.
        gpu_percent: Share of time in which any kernel ran; None without nvidia-smi.
        watts: Mean power of the GPU; None without nvidia-smi.
    """

    cores: float = 0.0
    gpu_percent: float | None = None
    watts: float | None = None

    def __str__(self) -> str:
        """For a table's cell."""
        if self.gpu_percent is None:
            return f"{self.cores:.2f} cores"
        watts = "" if self.watts is None else f", {self.watts:.0f} W"
        return f"GPU {self.gpu_percent:.0f} %{watts}, {self.cores:.2f} cores"


@contextlib.contextmanager
def watched(*, gpu: bool) -> Iterator[Busy]:
    """Watch this process, and the GPU if there is one, during the block."""
    busy, begun, used = Busy(), time.perf_counter(), time.process_time()
    program = shutil.which("nvidia-smi") if gpu else None
    smi = None
    if program is not None:
        command = [program, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
        smi = subprocess.Popen(
            [*command, "-i", "0", "-lms", str(_EVERY_MS)], stdout=subprocess.PIPE, text=True
        )
    try:
        yield busy
    finally:
        busy.cores = (time.process_time() - used) / (time.perf_counter() - begun)
        if smi is not None:
            smi.terminate()
            printed, _ = smi.communicate()
            busy.gpu_percent, busy.watts = parse(printed)


def parse(printed: str) -> tuple[float | None, float | None]:
    """Means of what ``nvidia-smi`` printed, one reading a line; None where it had none to give."""
    columns: tuple[list[float], list[float]] = ([], [])
    for line in printed.splitlines():
        for column, word in zip(columns, line.split(","), strict=False):
            # "[N/A]" where a card does not tell; the last line may be cut short.
            with contextlib.suppress(ValueError):
                column.append(float(word))
    share, watts = (statistics.fmean(column) if column else None for column in columns)
    return share, watts

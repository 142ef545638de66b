"""How many CPU cores this process may really use: its affinity and its container's quota.

    affinity mask, cgroup quota → whole cores, at least 1

A container that is given 2 of a host's 64 cores sees all 64; with a thread for each it would
spend its quota in the first instants of every period and then stand still.
"""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_cores(quota_file: Path = _CGROUP_QUOTA) -> int:
    """Cores for this process; a fraction of a quota counts as a whole core.

    Args:
        quota_file: The cgroup's ``cpu.max``: ``<quota> <period>`` in microseconds, or ``max``.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(allowed or 1, _quota(quota_file) or allowed or 1))


def _quota(file: Path) -> int | None:
    try:
        quota, period = (int(word) for word in file.read_text("ascii").split())
        return -(-quota // period)
    # No such file, "max", or a layout of another kernel: there is no quota to keep to.
    except (OSError, ValueError, ZeroDivisionError):
        return None

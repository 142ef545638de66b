"""What a worker's process is tuned to; in a process of its own, since it is for good."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, sys
from service.process import COLLECT_AFTER, SWITCH_S, settle
settle()
assert gc.get_freeze_count() > 1000, gc.get_freeze_count()
assert gc.isenabled()
assert gc.get_threshold() == COLLECT_AFTER
assert abs(sys.getswitchinterval() - SWITCH_S) < SWITCH_S / 10
"""


def test_collections_are_rare_and_threads_take_turns_often() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)

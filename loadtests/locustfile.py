"""Locust's way in: reads the plan before the load, writes the outcomes after it.

    LOADTEST_PLAN (Examples as JSON) → ShopUser … → LOADTEST_OUTCOMES (Outcomes as JSON)

`python -m loadtests` sets both and starts Locust in a process of its own.
"""

from __future__ import annotations

import os
from pathlib import Path

from locust import events

from loadtests.examples import Examples
from loadtests.users import Recorder, ShopUser

__all__ = ["ShopUser"]


def _begin(**_: object) -> None:
    ShopUser.plan = Examples.from_json(Path(os.environ["LOADTEST_PLAN"]).read_text("utf-8"))
    ShopUser.recorder = Recorder()


def _end(**_: object) -> None:
    outcomes = ShopUser.recorder.outcomes()
    Path(os.environ["LOADTEST_OUTCOMES"]).write_text(outcomes.to_json(), "utf-8")


events.test_start.add_listener(_begin)  # type: ignore[no-untyped-call]  # Locust's own
events.test_stop.add_listener(_end)  # type: ignore[no-untyped-call]  # Locust's own

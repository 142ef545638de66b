"""Locust's way in: reads the plan before the load, writes the outcomes after it.

    LOADTEST_PLAN → Caller … → LOADTEST_OUTCOMES                       in one process
    LOADTEST_PLAN → master ⇄ workers: plan, rows → LOADTEST_OUTCOMES    in several

`python -m loadtests` sets both and starts Locust in processes of their own. A worker needs neither:
the plan comes from the master, and each report back carries the rows since the last.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import locust.runners
from locust import events
from locust.runners import MasterRunner, WorkerRunner

from loadtests.outcomes import Outcome
from loadtests.pilot import Pilot
from loadtests.plan import Plan
from loadtests.users import Caller, PlannedShape, Recorder

__all__ = ["Caller", "PlannedShape"]

REPORT_S = 0.5
LAG_S = 1.5 * REPORT_S
PLAN, ROWS = "plan", "rows"


def _init(environment: Any, **_: object) -> None:  # noqa: ANN401  (Locust's Environment)
    Caller.recorder = Recorder()
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        runner.register_message(PLAN, _take_plan)
        events.report_to_master.add_listener(_report)  # type: ignore[no-untyped-call]
        return
    Caller.plan = Plan.from_json(Path(os.environ["LOADTEST_PLAN"]).read_text("utf-8"))
    distributed = isinstance(runner, MasterRunner)
    PlannedShape.pilot = Pilot(Caller.plan, LAG_S if distributed else 0.0)
    if distributed:
        events.test_start.add_listener(_send_plan)  # type: ignore[no-untyped-call]
        events.worker_report.add_listener(_collect)  # type: ignore[no-untyped-call]
    events.test_stop.add_listener(_write)  # type: ignore[no-untyped-call]


def _send_plan(environment: Any, **_: object) -> None:  # noqa: ANN401  (Locust's Environment)
    environment.runner.send_message(PLAN, {"text": Caller.plan.to_json()})


def _take_plan(msg: Any, **_: object) -> None:  # noqa: ANN401  (Locust's Message)
    Caller.plan = Plan.from_json(msg.data["text"])


def _report(data: dict[str, Any], **_: object) -> None:
    data[ROWS] = Caller.recorder.take()


def _collect(client_id: str, data: dict[str, Any], **_: object) -> None:
    rows = [Outcome(*row) for row in data.pop(ROWS, ())]
    Caller.recorder.extend(rows, client_id, data["user_count"])


def _write(**_: object) -> None:
    Path(os.environ["LOADTEST_OUTCOMES"]).write_text(PlannedShape.so_far().to_json(), "utf-8")


locust.runners.WORKER_REPORT_INTERVAL = REPORT_S
events.init.add_listener(_init)  # type: ignore[no-untyped-call]  # Locust's own

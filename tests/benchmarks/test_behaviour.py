"""The whole benchmark against a real server of a tiny bundle: every row is there and adds up."""

from __future__ import annotations

import re
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from benchmarks import behaviour
from benchmarks.behaviour_parts import Bench, Plan
from benchmarks.load import Load
from benchmarks.servers import Served
from bundle import open_bundle
from loadtests.client import ServerError
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path

ROWS = (
    "encode, one caller, fresh:",
    "encode, one caller, after 128 callers:",
    "decode, one caller, fresh:",
    "decode, one caller, after 128 callers:",
    "decode, one caller beside bulk: p95",
    "decode, one caller beside bulk: refusals",
    "latents a second of the bulk client",
    "overload: accepted rate / best rate",
    "overload: the same for each core",
    "overload: median time of a refusal, ms",
    "overload: p99 of the accepted /",
    "overload: answers other than 200, 429, 503",
    "overload: `retry_after_s` /",
    "waited for Retry-After",
    "waited for retry_after_s",
    "encode, 32 callers: p99 / p50",
    "encode, 32 callers: p99, last tenths",
    "encode, 32 callers: rate, last tenths",
    "decode, 32 callers: p99 / p50",
    "decode, 32 callers: p99, last tenths",
    "decode, 32 callers: rate, last tenths",
    "resident memory, last tenths",
    "start: seconds to ready",
    "start: CPU seconds of all processes",
    "start: CPU seconds of what one worker imports",
)


def cells(text: str, beginning: str) -> list[str]:
    """The row of any table whose first cell begins so."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {beginning}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_everything_is_measured_and_adds_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Slow enough that a client in Python can ask for twice as much.
    bundle = write_tiny_bundle(tmp_path / "tiny", toil=2)
    words = ["--quick", "--bundle", str(bundle), "--results", str(tmp_path)]
    hurry = ["--seconds", "0.3", "--soak-s", "1", "--max-queue-size", "128"]
    assert behaviour.main([*words, *hurry]) == 0
    (path,) = tmp_path.glob("behaviour-*.md")
    text = path.read_text("utf-8")
    assert text in capsys.readouterr().out
    for fact in ("date", "hardware", "software", "command", "before the run"):
        assert f"\n- {fact}: " in text
    checks = text.partition("## Wanted and found")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\| .* \|$", checks, re.MULTILINE)) == len(ROWS) + 1
    for row in ROWS:
        assert row in checks
    assert cells(checks, "overload: answers other than")[2:] == ["0", "yes"]

    statuses = re.findall(r"(\d+) × (\d+)", cells(text, "statuses")[1])
    assert [status for _, status in statuses] == ["200", "429"]
    came_back = re.findall(r"(\d+) of (\d+)", cells(text, "came back and got in")[1])
    assert len(came_back) == 2
    for got_in, came in came_back:
        assert int(got_in) <= int(came)
    assert 0 < float(cells(text, "share refused")[1]) < 1
    assert text.count("| all | ") == 2
    assert text.count("\n| 10 | ") == 3


def test_a_queue_that_is_too_small_for_the_callers_is_said(tmp_path: Path) -> None:
    class Refusing(Executor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            done: Future[Load] = Future()
            done.set_result(Load(times_s=[0.1], images=1, refused=2, seconds=1.0))
            return done

    path = write_tiny_bundle(tmp_path / "tiny")
    served = Served("a server", "127.0.0.1:1", "", psutil.Process())
    bench = Bench(Plan(path, max_queue_size=7), open_bundle(path), served, Refusing())
    with pytest.raises(ServerError, match=r"32 callers.* 2 times .*queue of 7.*--max-queue-size"):
        bench.warm_up()
    assert bench.plan.options()[2:] == ("--max-queue-size", "7", "--max-items", "7")


def test_quick_gives_way_to_what_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plans: list[Plan] = []

    def fails(plan: Plan, _: str) -> None:
        plans.append(plan)
        raise ServerError("it did not start")

    monkeypatch.setattr(behaviour, "measured", fails)
    assert behaviour.main([]) == 1
    assert behaviour.main(["--quick", "--starts", "2"]) == 1
    assert "benchmark: it did not start" in capsys.readouterr().err
    full, quick = plans
    assert (full.soak_s, full.starts, full.max_queue_size) == (600.0, 3, 512)
    assert (quick.soak_s, quick.starts, quick.pulses) == (5.0, 2, 1)

"""Progress: plain lines in a pipe, one redrawn line on a terminal."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch.progress import Lines, Silent, Terminal, show

if TYPE_CHECKING:
    import pytest


@dataclass
class Clock:
    """A clock that is moved by hand."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_pipe_gets_a_line_now_and_then_and_one_at_the_end() -> None:
    clock, stream = Clock(), io.StringIO()
    lines = Lines("encode", stream, clock)
    clock.now += 10
    lines.listed(5000)
    lines.begin(done=100, total=300)
    for items, failed, seconds in ((20, 0, 2), (20, 1, 2), (40, 0, 4), (120, 1, 1)):
        clock.now += seconds
        lines.add(items, failed)
    lines.end()
    assert stream.getvalue().splitlines() == [
        "encode: 5000 items listed",
        "encode: 180/300 (60 %), 10 items/s, 12 s left, 1 failed",
        "encode: 300/300 (100 %), 22 items/s, 0 s left, 2 failed",
    ]


def test_hours_are_shown_as_such() -> None:
    clock, stream = Clock(), io.StringIO()
    lines = Lines("encode", stream, clock)
    lines.begin(0, 1_000_000)
    clock.now += 10
    lines.add(1000, 0)
    assert stream.getvalue() == "encode: 1000/1000000 (0 %), 100 items/s, 2:46:30 left\n"


def test_a_terminal_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal("encode")
    terminal.begin(100, 300)
    terminal.add(200, 2)
    terminal.end()
    shown = capsys.readouterr().err
    assert re.search(r"encode: 100%.*300/300.*failed=2", shown.split("\r")[-1])
    assert shown.count("\n") == 1


def test_what_is_shown_depends_on_where(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(show("x"), Lines)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert isinstance(show("x"), Terminal)
    silent = Silent()
    silent.listed(1)
    silent.begin(0, 1)
    silent.add(1, 0)
    silent.end()
    assert capsys.readouterr() == ("", "")

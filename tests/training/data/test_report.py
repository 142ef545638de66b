"""Problems are counted in full and shown in part; progress is quiet enough for a pipe."""

from __future__ import annotations

import io
from functools import partial

from training.data.progress import show
from training.data.report import ProblemLog


def test_counts_all_and_names_the_first() -> None:
    log = ProblemLog()
    for number in range(10):
        log.add("unreadable", f"{number}.png")
    log.add("outside", "x.png", count=4)
    problems = log.freeze()
    assert [(row.reason, row.count) for row in problems.rows] == [
        ("unreadable", 10),
        ("outside", 4),
    ]
    assert problems.rows[0].examples == ("0.png", "1.png", "2.png")
    assert problems.total == 14
    assert str(problems).splitlines()[0] == "  10 × unreadable (0.png; 1.png; 2.png; …)"


def test_what_one_log_found_another_takes_over() -> None:
    log, other = ProblemLog(), ProblemLog()
    for number in range(5):
        log.add("unreadable", f"{number}.png")
    log.add("outside", "x.png", count=4)
    other.add("unreadable", "first.png")
    other.merge(log.freeze())
    problems = other.freeze()
    assert (problems.count("unreadable"), problems.count("outside")) == (6, 4)
    assert problems.rows[0].examples == ("0.png", "1.png", "first.png")


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_pipe_gets_few_plain_lines_and_a_terminal_one_redrawn_line() -> None:
    for out, wanted in ((io.StringIO(), 3), (Terminal(), 1)):
        ticks = iter([float(second) for second in range(100)])
        progress = show("reading", out, clock=partial(next, ticks))
        for done in range(1, 13):
            progress(done, 12)
        text = out.getvalue()
        assert text.count("\n") == wanted
        assert text.rstrip().splitlines()[-1].replace("\x1b[K", "").endswith("12/12 (100 %), 1/s")

"""What came of every request of a run, and the figures drawn from it.

    (path, second, ms, outcome) for each request → Outcomes → Figures by endpoint | by phase

1. Latencies are those of right answers only: a refusal is quick, and would flatter them.
2. A shed request (429, 503) is no failure: the server did what it promises under overload.
3. The beginning of a phase counts for no phase: queues need a moment to get used to new users.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Result = Literal["ok", "shed", "failed"]
SHED_STATUSES = frozenset({429, 503})
TOTAL = "all"
PERCENTILES = (50, 95, 99)
SETTLING = 0.2
"""Share of a phase that its figures leave out."""


class Outcome(NamedTuple):
    """One request.

    Attributes:
        path: Its protocol and operation.
        at_s: Seconds from the start of the run to the answer.
        ms: Milliseconds from sending to the last byte of the answer.
        result: Right answer, shed, or failed.
        reason: Why it failed or was shed; empty for a right answer.
    """

    path: str
    at_s: float
    ms: float
    result: Result
    reason: str


class Span(NamedTuple):
    """So many users, from one second of the run to another."""

    name: str
    users: int
    from_s: float
    to_s: float


@dataclass(frozen=True)
class Figures:
    """The figures of one endpoint, or of all; NaN percentiles if no answer was right."""

    path: str
    requests: int
    ok: int
    shed: int
    failed: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Outcomes:
    """A whole run.

    Attributes:
        seconds: How long requests were sent.
        rows: Every request.
        spans: The phases that were begun, in order.
        workers: Processes that made the load.
        stopped: Why phases that were planned were not made; empty if all were.
    """

    seconds: float
    rows: tuple[Outcome, ...]
    spans: tuple[Span, ...] = ()
    workers: int = 1
    stopped: str = ""

    def figures(self) -> list[Figures]:
        """One row for each endpoint by name, then one for all."""
        paths = sorted({row.path for row in self.rows})
        return [self._figures(path) for path in [*paths, TOTAL]]

    def phases(self) -> list[tuple[Span, Figures]]:
        """Each phase with the figures of all its endpoints together, once it had settled."""
        return [(span, self._of(span)) for span in self.spans]

    def latencies_ms(self, path: str) -> list[float]:
        """Milliseconds of the right answers of ``path``, sorted."""
        return sorted(
            row.ms for row in self.rows if row.result == "ok" and path in {row.path, TOTAL}
        )

    def reasons(self, result: Result) -> list[tuple[str, int]]:
        """Why requests were ``result``, the most frequent first."""
        counted = Counter(f"{row.path}: {row.reason}" for row in self.rows if row.result == result)
        return counted.most_common()

    def answers_by_second(self) -> list[int]:
        """Right answers in each whole second of the run."""
        counts = [0] * max(1, int(self.seconds))
        for row in self.rows:
            if row.result == "ok" and row.at_s < len(counts):
                counts[int(row.at_s)] += 1
        return counts

    def percentiles_by_second(self, percent: float) -> list[float]:
        """Milliseconds of the right answers in each whole second; NaN where there is none."""
        found: list[list[float]] = [[] for _ in range(max(1, int(self.seconds)))]
        for row in self.rows:
            if row.result == "ok" and row.at_s < len(found):
                found[int(row.at_s)].append(row.ms)
        return [float(np.percentile(ms, percent)) if ms else float("nan") for ms in found]

    def users_by_second(self) -> list[int]:
        """Users in the middle of each whole second; 0 where no phase says."""
        return [
            next((s.users for s in reversed(self.spans) if s.from_s <= second + 0.5 < s.to_s), 0)
            for second in range(max(1, int(self.seconds)))
        ]

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        return json.dumps(
            {
                "seconds": self.seconds,
                "rows": self.rows,
                "spans": self.spans,
                "workers": self.workers,
                "stopped": self.stopped,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Outcomes:
        """The run that `to_json` wrote."""
        document = json.loads(text)
        return cls(
            float(document["seconds"]),
            tuple(Outcome(*row) for row in document["rows"]),
            tuple(Span(*span) for span in document["spans"]),
            int(document["workers"]),
            document["stopped"],
        )

    def _of(self, span: Span) -> Figures:
        begin = span.from_s + SETTLING * (span.to_s - span.from_s)
        rows = tuple(row for row in self.rows if begin <= row.at_s < span.to_s)
        return Outcomes(span.to_s - begin, rows).figures()[-1]

    def _figures(self, path: str) -> Figures:
        counts = Counter(row.result for row in self.rows if path in {row.path, TOTAL})
        latencies = self.latencies_ms(path)
        p50, p95, p99 = np.percentile(latencies, PERCENTILES) if latencies else [float("nan")] * 3
        return Figures(
            path=path,
            requests=counts.total(),
            ok=counts["ok"],
            shed=counts["shed"],
            failed=counts["failed"],
            per_second=counts["ok"] / self.seconds if self.seconds > 0 else 0.0,
            p50_ms=float(p50),
            p95_ms=float(p95),
            p99_ms=float(p99),
        )

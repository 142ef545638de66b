"""The server's own histograms over a run: its /metrics after, less its /metrics before.

Prometheus text, twice → cumulative buckets → Histogram(bounds, counts) by metric and graph
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

HISTOGRAMS = {
    "latentserve_batch_items": "items in a micro-batch",
    "latentserve_queue_wait_seconds": "seconds that a micro-batch's oldest item waited",
}
"""Shown beside the clients' latencies: metric → what it counts."""

PROCESS = {
    "process_resident_memory_bytes": "memory",
    "process_open_fds": "open files",
}
"""What must not grow: metric → what it counts."""

WORKER = "latentserve_worker_info"
_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:]\w*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(frozen=True)
class Histogram:
    """How often a value fell at or under each bound (and over the one before).

    Attributes:
        metric: Its name in /metrics.
        graph: encoder or decoder.
        bounds: Upper bounds, the last is infinity.
        counts: One for each bound.
        mean: Of all values; NaN if there were none.
    """

    metric: str
    graph: str
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float

    @property
    def total(self) -> int:
        """All values that were counted."""
        return sum(self.counts)

    def bound_of(self, share: float) -> float:
        """The least bound that ``share`` of all values stay within; NaN if nothing was counted.

        Within a bucket nothing is known, and items are whole: no guess is made there.
        """
        seen = 0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            seen += count
            if count and seen >= share * self.total:
                return bound
        return math.nan


def parse(text: str) -> Samples:
    """Prometheus text → value by metric and labels; lines that are no samples are passed over."""
    samples: Samples = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is None:
            continue
        labels = tuple(sorted(_LABEL.findall(match["labels"] or "")))
        try:
            samples[match["name"], labels] = float(match["value"])
        except ValueError:
            continue
    return samples


def same_worker(before: Samples, after: Samples) -> bool:
    """Whether both scrapes reached the same process; with several workers they may not."""
    workers = [{labels for name, labels in scrape if name == WORKER} for scrape in (before, after)]
    return workers[0] == workers[1]


def processes(before: Samples, after: Samples) -> dict[str, tuple[float, float]]:
    """What each of `PROCESS` was before and after, by name; those that both scrapes have."""
    key: tuple[tuple[str, str], ...] = ()
    return {
        name: (before[metric, key], after[metric, key])
        for metric, name in PROCESS.items()
        if (metric, key) in before and (metric, key) in after
    }


def histograms(before: Samples, after: Samples) -> list[Histogram]:
    """What each of `HISTOGRAMS` counted between the two scrapes, by graph."""
    found: list[Histogram] = []
    for metric in HISTOGRAMS:
        graphs = {
            dict(labels).get("graph", "") for name, labels in after if name == f"{metric}_bucket"
        }
        found += [_difference(metric, graph, before, after) for graph in sorted(graphs)]
    return found


def _difference(metric: str, graph: str, before: Samples, after: Samples) -> Histogram:
    cumulative: dict[float, float] = {}
    for (name, labels), value in after.items():
        named = dict(labels)
        if name == f"{metric}_bucket" and named.get("graph", "") == graph:
            cumulative[float(named["le"])] = value - before.get((name, labels), 0.0)
    bounds = sorted(cumulative)
    running = [cumulative[bound] for bound in bounds]
    steps = [now - last for last, now in zip([0.0, *running], running, strict=False)]
    counts = tuple(max(0, round(step)) for step in steps)
    key = (("graph", graph),) if graph else ()
    total = after.get((f"{metric}_sum", key), 0.0) - before.get((f"{metric}_sum", key), 0.0)
    mean = total / sum(counts) if sum(counts) else float("nan")
    return Histogram(metric, graph, tuple(bounds), counts, mean)

"""The report of `benchmarks.capacity`: what was measured, as Markdown, and what follows from it.

    costs, comparisons → three tables;  answers a second → core-hours, cores, bytes

Knows no server and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import loopback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOUR_S, DAY_S = 3600, 86_400


@dataclass(frozen=True)
class Operation:
    """One request of one image, sent again and again; ``graphs`` are those that it runs."""

    name: str
    graphs: tuple[str, ...]
    request: bytes
    sent: int


@dataclass(frozen=True)
class Cost:
    """What one request costs when the server has all it can do; times in seconds of one core.

    Attributes:
        rate: Answers a second.
        cpu_s: Of the worker.
        graph_s: Of that, in graphs.
        client_s: Of the client, where it has to share the worker's core; else 0.
        received: Bytes of the answer's body.
    """

    rate: float
    cpu_s: float
    graph_s: float
    client_s: float
    received: int

    @property
    def core(self) -> float:
        """How much of the core was had: below 1, others used it too, and times are longer."""
        return min(1.0, self.rate * (self.cpu_s + self.client_s))


@dataclass(frozen=True)
class Seen:
    """Of one run: mean items of a batch, its mean wait, and the mean and p95 time of a request."""

    items: float
    wait_s: float
    time_s: float
    slow_s: float


@dataclass(frozen=True)
class Comparison:
    """One load, simulated and measured."""

    operation: str
    load: float
    rate: float
    simulated: Seen
    measured: Seen


def report(
    facts: Sequence[str],
    costs: Mapping[Operation, Cost],
    compared: Sequence[Comparison],
    price: float,
) -> str:
    """Three tables in Markdown, under ``facts``: what was measured, on what, how, and when.

    Args:
        facts: One line each; the first is the headline.
        costs: What each operation costs.
        compared: Loads, simulated and measured.
        price: Of a core-hour.
    """
    headline, *others = facts
    lines = [
        f"# {headline}",
        "",
        *(f"- {fact}" for fact in others),
        "",
        "## What one core serves",
        "",
        f"{loopback.CONNECTIONS} callers without pause. CPU is that of the worker for one answer; "
        "the graphs' part of it is their time at the batch size that was seen. Where much less "
        "than 100 % of the core was had, other programs were running: measure again.",
        "",
        "| operation | answers/s | core had | CPU ms | graphs | HTTP and codecs | bytes in | out |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for operation, cost in costs.items():
        share = min(1.0, cost.graph_s / cost.cpu_s)
        lines.append(
            f"| {operation.name} | {cost.rate:.0f} | {cost.core:.0%} | {cost.cpu_s * 1e3:.2f} | "
            f"{share:.0%} | "
            f"{1 - share:.0%} | {operation.sent} | {cost.received} |"
        )
    lines += [
        "",
        "## Simulated and measured",
        "",
        "Poisson arrivals at a share of that rate. Each pair is simulated / measured.",
        "",
        "| operation | load | arrivals/s | items a batch | wait of a batch ms | mean ms | p95 ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in compared:
        pairs = (
            f"{row.simulated.items:.2f} / {row.measured.items:.2f}",
            f"{row.simulated.wait_s * 1e3:.2f} / {row.measured.wait_s * 1e3:.2f}",
            f"{row.simulated.time_s * 1e3:.1f} / {row.measured.time_s * 1e3:.1f}",
            f"{row.simulated.slow_s * 1e3:.1f} / {row.measured.slow_s * 1e3:.1f}",
        )
        lines.append(f"| {row.operation} | {row.load:g} | {row.rate:.0f} | {' | '.join(pairs)} |")
    return "\n".join([*lines, *_price(price, costs)]) + "\n"


def _price(price: float, costs: Mapping[Operation, Cost]) -> list[str]:
    lines = [
        "",
        "## A million and a billion images",
        "",
        "Arithmetic from the first table, at the rate of callers without pause, one core for each "
        f"worker. A core-hour is taken to cost {price:g} (in any currency: `--price`).",
        "",
        "| operation | million: core-hours | price | billion: core-hours | price | cores for it in "
        "a day | GB in | GB out |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for operation, cost in costs.items():
        hours = 1e6 / cost.rate / HOUR_S
        lines.append(
            f"| {operation.name} | {hours:.2f} | {hours * price:.3f} | {hours * 1e3:.0f} | "
            f"{hours * 1e3 * price:.0f} | {1e9 / cost.rate / DAY_S:.1f} | "
            f"{operation.sent:.0f} | {cost.received:.0f} |"
        )
    return lines

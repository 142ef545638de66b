"""The result of `benchmarks.gpu` as Markdown.

    costs, raw runs, engine, server → roofline | table by batch | stages | what is missing

Knows no device and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.flops import Cost

NO_GPU = (
    "**There is no GPU in this run.** Everything below ran on the CPU; it proves that the path "
    "works and says nothing about a GPU."
)


@dataclass(frozen=True)
class RawRow:
    """One graph run in one way; ``worst`` is the largest difference from fp32's first output."""

    graph: str
    precision: str
    way: str
    batch: int
    rate: float
    worst: float
    busy: str


@dataclass(frozen=True)
class StageRow:
    """Decoding through the engine or the server."""

    stage: str
    load: str
    batch: int
    rate: float
    busy: str


@dataclass(frozen=True)
class GpuResult:
    """Everything that a report is made of.

    Attributes:
        facts: Date, hardware, command and versions, in the order shown.
        device: cuda or cpu.
        costs: By graph.
        raw: Without the engine.
        stages: With it.
        missing: What this machine or the engine does not have.
        batches: For which the roofline is drawn.
        peak: Operations a second, if given.
        bandwidth: Bytes of memory a second, if given.
    """

    facts: Mapping[str, str]
    device: str
    costs: Mapping[str, Cost]
    raw: Sequence[RawRow]
    stages: Sequence[StageRow]
    missing: Sequence[str]
    batches: Sequence[int]
    peak: float | None
    bandwidth: float | None


def to_markdown(result: GpuResult) -> str:
    """The whole page."""
    title = "GPU, measured" if result.device == "cuda" else "GPU benchmark without a GPU"
    lines = [f"# {title}", ""]
    lines += [] if result.device == "cuda" else [NO_GPU, ""]
    lines += [f"- {name}: {text}" for name, text in result.facts.items()]
    lines += [f"- not in this run: {text}" for text in result.missing]
    lines += ["", *_arithmetic(result), "", *_raw(result.raw), "", *_stages(result)]
    return "\n".join(lines) + "\n"


def _arithmetic(result: GpuResult) -> list[str]:
    lines = [
        "## By arithmetic",
        "",
        "| graph | MFLOP/image | weights, MB | memory, kB/image | in and out, bytes/image "
        "| FLOP/byte by batch |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, cost in result.costs.items():
        intensity = ", ".join(f"{size}: {cost.intensity(size):.0f}" for size in result.batches)
        cells = [
            name,
            f"{cost.operations / 1e6:.1f}",
            f"{cost.weight_bytes / 1e6:.2f}",
            f"{cost.activation_bytes / 1e3:.0f}",
            f"{cost.input_bytes} + {cost.output_bytes}",
            intensity,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    if result.peak is None or result.bandwidth is None:
        return [
            *lines,
            "No roofline: give --peak-tflops and --bandwidth-gbs of the data sheet.",
        ]
    lines += [
        f"Roofline for {result.peak / 1e12:g} TFLOP/s and {result.bandwidth / 1e9:g} GB/s: the "
        "most images a second, and what bounds them. Balance is at "
        f"{result.peak / result.bandwidth:.0f} FLOP/byte.",
        "",
        "| graph | batch | images/s at most | bound by |",
        "|---|---:|---:|---|",
    ]
    for name, cost in result.costs.items():
        for size in result.batches:
            seconds = cost.seconds(size, result.peak, result.bandwidth)
            arithmetic = cost.intensity(size) >= result.peak / result.bandwidth
            word = "arithmetic" if arithmetic else "memory"
            lines.append(f"| {name} | {size} | {size / seconds:.3g} | {word} |")
    return lines


def _raw(rows: Sequence[RawRow]) -> list[str]:
    return [
        "## Raw ONNX Runtime, one calling thread",
        "",
        "| graph | precision | way | batch | images/s | ms/batch | largest difference from fp32 "
        "| busy |",
        "|---|---|---|---:|---:|---:|---:|---|",
        *(
            f"| {row.graph} | {row.precision} | {row.way} | {row.batch} | {row.rate:.0f} "
            f"| {1000 * row.batch / row.rate:.2f} | {row.worst:.2g} | {row.busy} |"
            for row in rows
        ),
    ]


def _stages(result: GpuResult) -> list[str]:
    """Decoding through engine and server, as a share of the best raw rate with the same batch."""
    lines = [
        "## Engine and server, decode",
        "",
        "| stage | load | max_batch_size | images/s | of raw run(), same batch | busy |",
        "|---|---|---:|---:|---:|---|",
    ]
    raw = {
        row.batch: row.rate
        for row in result.raw
        if (row.graph, row.precision) == ("decoder", "fp32") and row.way.startswith("run()")
    }
    for row in result.stages:
        share = f"{row.rate / raw[row.batch]:.2f}" if row.batch in raw else "–"
        lines.append(
            f"| {row.stage} | {row.load} | {row.batch} | {row.rate:.0f} | {share} | {row.busy} |"
        )
    return lines

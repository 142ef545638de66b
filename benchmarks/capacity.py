"""What one core serves, how well a simulation foretells its queue, and what a million images cost.

    graph's times by batch size → `benchmarks.queueing`      ┐
    `latentserve serve` on one core ← `benchmarks.loopback`  ┴→ batches, waits, times, side by side
    answers a second → core-hours of a million and a billion

The server gets one core, the client another if there is one. Runs last a few seconds each. Writes
capacity.md with date, hardware and command.

    python -m benchmarks.capacity --seconds 4
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import onnxruntime as ort

from benchmarks import loopback
from benchmarks.capacity_report import Comparison, Cost, Operation, Seen, report
from benchmarks.queueing import Worker, interpolate, poisson, simulate
from bundle import Bundle, open_bundle
from inference import images
from loadtests.own_server import own_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

SIZES = (1, 2, 4, 8, 16, 32)
LOADS = (0.4, 0.7, 0.9)
"""Of the rate that callers without pause reach."""
SIMULATED = 20_000
TRIALS, LEAST_TRIALS = 64, 5
PNG, NPY = "image/png", "application/x-npy"


def main() -> int:
    """Measure, simulate, print and write."""
    args = _arguments()
    bundle = open_bundle(args.bundle)
    cores = sorted(os.sched_getaffinity(0))
    shared = len(cores) == 1
    # The server inherits this one core.
    os.sched_setaffinity(0, cores[:1])
    graph_s = {name: interpolate(_graph_times(bundle, name)) for name in ("encoder", "decoder")}
    options = ["--bundle", str(args.bundle), "--device", "cpu", "--grpc-port", "0"]
    costs: dict[Operation, Cost] = {}
    compared: list[Comparison] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        own_server(Path(folder) / "server.log", options) as host,
    ):
        os.sched_setaffinity(0, cores[-1:])
        for operation in _operations(bundle):
            asyncio.run(loopback.closed(host, operation.request, args.seconds / 8))
            costs[operation] = cost = _cost(host, operation, args.seconds, graph_s, shared=shared)
            print(f"{operation.name}: {cost.rate:.0f} answers/s")
            for load in LOADS if len(operation.graphs) == 1 else ():
                rate = load * cost.rate
                worker = _worker(cost, graph_s[operation.graphs[0]])
                simulated = _simulated(worker, rate)
                measured = _measured(host, operation, rate, args.seconds)
                compared.append(Comparison(operation.name, load, rate, simulated, measured))
    text = report(_facts(bundle, args, shared=shared), costs, compared, args.price)
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / "capacity.md").write_text(text, "utf-8")
    print(text)
    return 0


def _graph_times(bundle: Bundle, name: str) -> dict[int, float]:
    """CPU seconds of each batch size on one thread: the median of several runs."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    graph = bundle.encoder if name == "encoder" else bundle.decoder
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    manifest, generator = bundle.manifest, np.random.default_rng(0)
    largest = max(SIZES)
    rows: dict[str, NDArray[Any]] = {
        "encoder": generator.integers(0, 256, (largest, *manifest.image.shape), np.uint8),
        "decoder": generator.standard_normal((largest, manifest.latent.dimension), np.float32),
    }
    (field,) = (tensor.name for tensor in session.get_inputs())
    times = {}
    for size in SIZES:
        taken = []
        for _ in range(max(LEAST_TRIALS, TRIALS // size)):
            begun = time.thread_time()
            session.run(None, {field: rows[name][:size]})
            taken.append(time.thread_time() - begun)
        times[size] = statistics.median(taken)
    return times


def _operations(bundle: Bundle) -> list[Operation]:
    """Encode a picture, decode a latent, shift a picture by the first attribute."""
    latent = np.random.default_rng(0).standard_normal(
        (1, bundle.manifest.latent.dimension), np.float32
    )
    # A picture of the model's own: as a file, noise would be far larger than a photo.
    decoder = ort.InferenceSession(bundle.decoder, providers=["CPUExecutionProvider"])
    png = images.encode(decoder.run(None, {"latent": latent})[0][0], PNG)
    array = io.BytesIO()
    np.save(array, latent)
    strengths = {attribute.name: 0.5 for attribute in bundle.manifest.attributes[:1]}
    shift = f"shift?attributes={quote(json.dumps(strengths))}"
    return [
        _operation("encode", ("encoder",), PNG, png, NPY),
        _operation("decode", ("decoder",), NPY, array.getvalue(), PNG),
        _operation(shift, ("encoder", "decoder"), PNG, png, PNG),
    ]


def _operation(
    route: str, graphs: tuple[str, ...], sends: str, body: bytes, takes: str
) -> Operation:
    head = (
        f"POST /v1/{route} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {sends}\r\n"
        f"Accept: {takes}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Operation(route.partition("?")[0], graphs, head.encode() + body, len(body))


def _cost(
    host: str,
    operation: Operation,
    seconds: float,
    graph_s: dict[str, Callable[[int], float]],
    *,
    shared: bool,
) -> Cost:
    before = loopback.metrics(host)
    run = asyncio.run(loopback.closed(host, operation.request, seconds))
    spent = loopback.since(before, loopback.metrics(host))
    count = len(run.times_s)
    in_graphs = 0.0
    for graph in operation.graphs:
        items = max(1, round(_mean(spent, "batch_items", graph)))
        in_graphs += graph_s[graph](items) / items
    return Cost(
        rate=count / run.seconds,
        cpu_s=spent["cpu"] / count,
        graph_s=in_graphs,
        client_s=run.client_s / count if shared else 0.0,
        received=run.received // count,
    )


def _worker(cost: Cost, graph_s: Callable[[int], float]) -> Worker:
    """What the simulation is told: the graph's times, and what else a request costs.

    A client on the server's core takes its time there too, as if the server's loop spent it.
    """
    loop_s = (max(0.0, cost.cpu_s - cost.graph_s) + cost.client_s) / cost.core
    return Worker(lambda size: graph_s(size) / cost.core, parse_s=loop_s / 2, answer_s=loop_s / 2)


def _simulated(worker: Worker, rate: float) -> Seen:
    outcome = simulate(worker, poisson(rate, SIMULATED))
    return Seen(
        statistics.fmean(outcome.sizes),
        statistics.fmean(outcome.waits_s),
        *_middle_and_slow(outcome.times_s),
    )


def _measured(host: str, operation: Operation, rate: float, seconds: float) -> Seen:
    (graph,) = operation.graphs
    arrivals = poisson(rate, int(rate * seconds), seed=1)
    before = loopback.metrics(host)
    run = asyncio.run(loopback.opened(host, operation.request, arrivals))
    spent = loopback.since(before, loopback.metrics(host))
    return Seen(
        _mean(spent, "batch_items", graph),
        _mean(spent, "queue_wait_seconds", graph),
        *_middle_and_slow(run.times_s),
    )


def _mean(spent: dict[str, float], histogram: str, graph: str) -> float:
    return spent[f"{histogram}_sum:{graph}"] / spent[f"{histogram}_count:{graph}"]


def _middle_and_slow(times_s: Sequence[float]) -> tuple[float, float]:
    return statistics.fmean(times_s), statistics.quantiles(times_s, n=20)[-1]


def _facts(bundle: Bundle, args: argparse.Namespace, *, shared: bool) -> list[str]:
    manifest = bundle.manifest
    where = "the same core, which the simulation counts in" if shared else "another core"
    return [
        f"Capacity, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"model {manifest.name} {manifest.version}, {manifest.image.shape}, "
        f"{manifest.latent.dimension} latents; one image a request",
        f"{_processor()}, {platform.system()}, Python {platform.python_version()}, "
        f"onnxruntime {version('onnxruntime')}",
        f"`python -m benchmarks.capacity --seconds {args.seconds:g}`; one worker on one core, "
        f"the client on {where}",
    ]


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text("utf-8")
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure one core, and simulate its queue.")
    parser.add_argument("--bundle", type=Path, default=Path("models/faces-64"))
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--price", type=float, default=0.04, help="of a core-hour")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

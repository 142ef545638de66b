"""A GPU's arithmetic, raw execution, the engine and the server, side by side.

    bundle → operations and bytes of the graphs → roofline
           → raw, by batch: run() | IOBinding, with copies or not | CUDA graphs; fp32, tf32, fp16
           → engine: submits on one event loop → server: npy, OIP binary, gRPC over loopback

Where there is no GPU everything runs on the CPU, and the result says so in its title: that proves
the path, not the figures. What this machine or the engine does not have is listed, not left out.

    python -m benchmarks.gpu --peak-tflops 67 --bandwidth-gbs 3350
    python -m benchmarks.gpu --quick --no-server
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import importlib.util
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import machine, raw_runs
from benchmarks.ceiling import some_latents
from benchmarks.flops import count
from benchmarks.gpu_report import GpuResult, RawRow, StageRow, to_markdown
from benchmarks.utilisation import watched
from bundle import open_bundle
from inference.call import Call
from inference.engine import Engine, EngineOptions
from inference.sessions import DeviceUnavailable, open_session
from service.settings import find_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.raw_runs import Device, Precision, Way
    from bundle import Bundle

BATCHES, QUICK_BATCHES = (1, 8, 32, 128, 512), (1, 8)
WARM_UPS = 3
CALLERS = ((128, 1), (16, 64))
"""Of the engine: how many, and with how many rows each."""
SERVER_CALLERS = 8
_QUEUE = 65_536
_PLAIN = "run()"
_NO_BUFFERS = "the engine's ways of a GPU: on a CPU it calls run() and has no buffers that stay"


def main() -> int:
    """Measure, print and write."""
    args = _arguments()
    path = find_bundle(args.bundle)
    bundle = open_bundle(path)
    device, missing = _device(bundle, args.device)
    if device == "cpu":
        missing.append(_NO_BUFFERS)
    raw = list(_raw(bundle, device, args, missing))
    stages = list(asyncio.run(_engine(bundle, device, args)))
    stages += _server(bundle, path, device, args, missing)
    result = GpuResult(
        facts=_facts(bundle, args, device),
        device=device,
        costs={name: count(graph) for name, graph in _graphs(bundle).items()},
        raw=raw,
        stages=stages,
        missing=missing,
        batches=args.batches,
        peak=args.peak_tflops * 1e12 if args.peak_tflops else None,
        bandwidth=args.bandwidth_gbs * 1e9 if args.bandwidth_gbs else None,
    )
    text = to_markdown(result)
    print(text)
    if args.results is not None:
        args.results.mkdir(parents=True, exist_ok=True)
        file = args.results / f"{'gpu' if device == 'cuda' else 'no-gpu'}-{_today()}.md"
        file.write_text(text, "utf-8")
        print(f"written: {file}")
    return 0


def _device(bundle: Bundle, wanted: str) -> tuple[Device, list[str]]:
    """CUDA if the engine could use it, else the CPU and why."""
    # ONNX Runtime's GPU build finds CUDA's libraries where torch has brought them.
    with contextlib.suppress(ImportError):
        import torch  # noqa: F401, PLC0415 - brings CUDA's libraries, where it is installed
    if wanted == "cpu":
        return "cpu", ["no GPU was asked for (--device cpu)"]
    try:
        open_session(bundle.decoder, device="cuda")
    except DeviceUnavailable as error:
        if wanted == "cuda":
            raise SystemExit(f"benchmark: {error}") from None
        return "cpu", [f"no GPU: {error}"]
    return "cuda", []


def _graphs(bundle: Bundle) -> dict[str, bytes]:
    return {"encoder": bundle.encoder, "decoder": bundle.decoder}


def _rows(bundle: Bundle, name: str, size: int) -> NDArray[Any]:
    manifest = bundle.manifest
    if name == "decoder":
        return some_latents(size, manifest.latent.dimension)
    shape = (size, *manifest.image.shape)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _raw(
    bundle: Bundle, device: Device, args: argparse.Namespace, missing: list[str]
) -> Iterator[RawRow]:
    precisions: tuple[Precision, ...] = (
        ("fp32", "tf32", "fp16")
        if device == "cuda"
        else (
            "fp32",
            "fp16",
        )
    )
    for name, graph in _graphs(bundle).items():
        exact = raw_runs.open_raw(graph, device)
        for precision in precisions:
            model = raw_runs.halved(graph) if precision == "fp16" else graph
            for size in args.batches:
                rows = _rows(bundle, name, size)
                wanted = raw_runs.pageable(exact, rows).call()
                for way in _ways(model, rows, device, precision, missing):
                    found = way.call().copy()
                    rate, busy = _rate(way.call, size, args.seconds, device)
                    worst = float(np.abs(found.astype(float) - wanted.astype(float)).max())
                    yield RawRow(name, precision, way.name, size, rate, worst, busy)


def _ways(
    model: bytes,
    rows: NDArray[Any],
    device: Device,
    precision: Precision,
    missing: list[str],
) -> Iterator[Way]:
    tf32 = precision == "tf32"
    session = raw_runs.open_raw(model, device, tf32=tf32)
    yield raw_runs.pageable(session, rows)
    step = raw_runs.COPIED
    try:
        resident, copied = raw_runs.bound(session, rows, device)
        copied.call()
        yield copied
        yield resident
        step = raw_runs.GRAPHED
        graphed = raw_runs.open_raw(model, device, tf32=tf32, cuda_graphs=True)
        _, way = raw_runs.bound(graphed, rows, device, cuda_graph=len(rows))
        way.call()
        yield way
    # A driver or a graph that cannot be captured ends this way of running, not the benchmark.
    except Exception as error:  # noqa: BLE001 - said above
        said = (str(error).splitlines() or [type(error).__name__])[0]
        note = f"{step}: {said}"
        if note not in missing:
            missing.append(note)


def _rate(
    call: Callable[[], object], size: int, seconds: float, device: Device
) -> tuple[float, str]:
    """Rows a second of one thread that calls again and again."""
    for _ in range(WARM_UPS):
        call()
    done = 0
    with watched(gpu=device == "cuda") as busy:
        begun = time.perf_counter()
        while time.perf_counter() < begun + seconds:
            call()
            done += size
        passed = time.perf_counter() - begun
    return done / passed, str(busy)


async def _engine(bundle: Bundle, device: Device, args: argparse.Namespace) -> Sequence[StageRow]:
    """Decode through the micro-batcher, without codecs and without a wire.

    On a GPU with CUDA graphs and without, in fp32 and fp16.
    """
    found = []
    bundles = {"fp32": bundle, "fp16": _halved(bundle)} if device == "cuda" else {"fp32": bundle}
    for precision, each in bundles.items():
        for cuda_graphs in (True, False) if device == "cuda" else (True,):
            for size in args.batches:
                options = EngineOptions(
                    device=device,
                    max_batch_size=size,
                    max_queue_size=_QUEUE,
                    max_items=_QUEUE,
                    cuda_graphs=cuda_graphs,
                )
                found += await _engine_rows(each, options, precision, args.seconds)
    return found


async def _engine_rows(
    bundle: Bundle, options: EngineOptions, precision: str, seconds: float
) -> list[StageRow]:
    engine = Engine(bundle, options)
    await engine.warm_up()
    stage, found = f"engine, {precision}, {engine.way or _PLAIN}", []
    for callers, rows in CALLERS:
        rate, busy = await _submit(engine, callers, rows, seconds)
        load = f"{callers} callers of {rows}"
        found.append(StageRow(stage, load, options.max_batch_size, rate, busy))
    await engine.aclose()
    return found


def _halved(bundle: Bundle) -> Bundle:
    """The bundle as `latentserve export --precision float16` would have written it."""
    graphs = bundle.manifest.graphs
    half = {
        name: getattr(graphs, name).model_copy(update={"precision": "float16"})
        for name in ("encoder", "decoder")
    }
    manifest = bundle.manifest.model_copy(update={"graphs": graphs.model_copy(update=half)})
    return dataclasses.replace(
        bundle,
        manifest=manifest,
        encoder=raw_runs.halved(bundle.encoder),
        decoder=raw_runs.halved(bundle.decoder),
    )


async def _submit(engine: Engine, callers: int, rows: int, seconds: float) -> tuple[float, str]:
    latents = some_latents(rows, engine.bundle.manifest.latent.dimension)
    done = 0

    async def caller(ends: float) -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await engine.decode(latents, Call())
            done += rows

    with watched(gpu=engine.options.device == "cuda") as busy:
        begun = time.perf_counter()
        await asyncio.gather(*(caller(begun + seconds) for _ in range(callers)))
        passed = time.perf_counter() - begun
    return done / passed, str(busy)


def _server(
    bundle: Bundle, path: Path, device: Device, args: argparse.Namespace, missing: list[str]
) -> list[StageRow]:
    if args.no_server:
        missing.append("the server was left out (--no-server)")
        return []
    if importlib.util.find_spec("bentoml") is None or importlib.util.find_spec("psutil") is None:
        missing.append("the server: bentoml or psutil is not installed")
        return []
    from benchmarks import exchanges  # noqa: PLC0415  (the server's part of the packages)
    from benchmarks.load import drive  # noqa: PLC0415  (likewise)
    from benchmarks.servers import ended_by_sigterm, latentserve  # noqa: PLC0415  (likewise)

    given, found, largest = exchanges.material(bundle), [], max(args.batches)
    bulk, single = exchanges.ours_bulk(given), exchanges.ours(given)["decode"]
    loads = [(f"{exchanges.BULK} rows, {name}", each) for name, each in bulk.items()]
    loads.append(("1 row, JSON to PNG", single))
    with (
        ended_by_sigterm(),
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        latentserve(
            path, Path(folder), "--device", device, "--max-batch-size", str(largest)
        ) as served,
    ):
        for name, exchange in loads:
            address = served.grpc if exchange.method else served.http
            callers = SERVER_CALLERS if exchange.images > 1 else 128
            pool.submit(drive, address, (exchange,), callers, args.seconds / 4).result()
            before = served.cpu_s()
            with watched(gpu=device == "cuda") as busy:
                load = pool.submit(drive, address, (exchange,), callers, args.seconds).result()
            busy.cores = (served.cpu_s() - before) / load.seconds
            rate = load.images / load.seconds
            found.append(StageRow("server", f"{name}, {callers} callers", largest, rate, str(busy)))
    return found


def _facts(bundle: Bundle, args: argparse.Namespace, device: Device) -> dict[str, str]:
    manifest = bundle.manifest
    packages = machine.versions("onnxruntime", "onnxruntime-gpu", "numpy", "torch")
    batches = " ".join(map(str, args.batches))
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "model": f"{manifest.name} {manifest.version}, image {list(manifest.image.shape)}",
        "hardware": f"{_gpu_name() if device == 'cuda' else 'no GPU'}; {machine.hardware()}",
        "command": f"`python -m benchmarks.gpu --batches {batches} --seconds {args.seconds:g}`",
        "software": ", ".join(f"{name} {found}" for name, found in packages.items()),
    }


def _gpu_name() -> str:
    import torch  # noqa: PLC0415 - only where there is a GPU

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "a GPU"


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description="Compare a GPU's arithmetic, raw execution, the engine and the server.",
    )
    parser.add_argument("--bundle", type=Path, default=Path("models/faces-64"))
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--batches", type=int, nargs="+", help="default 1 8 32 128 512")
    parser.add_argument("--seconds", type=float, help="each: default 0.5, quick 0.05")
    parser.add_argument("--peak-tflops", type=float, help="of the data sheet, for the roofline")
    parser.add_argument("--bandwidth-gbs", type=float, help="of its memory, likewise")
    parser.add_argument("--quick", action="store_true", help="two batch sizes, short runs")
    parser.add_argument("--no-server", action="store_true", help="raw and engine only")
    parser.add_argument(
        "--results",
        type=Path,
        help="folder that gpu-DATE.md is written to; by default it is not",
    )
    args = parser.parse_args()
    args.batches = args.batches or list(QUICK_BATCHES if args.quick else BATCHES)
    args.seconds = args.seconds or (0.05 if args.quick else 0.5)
    return args


if __name__ == "__main__":
    raise SystemExit(main())

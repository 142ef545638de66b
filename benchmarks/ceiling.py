"""How much of what graphs and codecs could do is left once a request has come over HTTP.

    bundle → raw ORT → ORT + codec → `latentserve serve`, in turns, several rounds → medians, ratios

Rates of the same run on the same cores are compared, so the ratio carries to other hardware better
than the rates do. The client runs on those cores too and takes its share: the served rate is what
is left for a whole exchange. Writes a Markdown file with date and hardware.

    python benchmarks/ceiling.py --bundle models/faces-64 --rounds 5
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import onnxruntime as ort

from bundle import Bundle, open_bundle
from inference import images
from loadtests.own_server import own_server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

CONNECTIONS = 16
WARM_UP_S = 0.3
BATCHES = (1, 8)
OK = b" 200 "
LIMITS = images.ImageLimits(16_000_000)


@dataclass(frozen=True)
class Work:
    """One thing whose rate is measured: images a second."""

    operation: str
    stage: str
    rate: Callable[[float], float]


def main() -> int:
    """Measure, print and write the table."""
    args = _arguments()
    bundle = open_bundle(args.bundle)
    threads = len(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory() as folder,
        own_server(
            Path(folder) / "server.log", ["--bundle", str(args.bundle), "--device", "cpu"]
        ) as host,
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as client,
    ):
        works = [*_graph_works(bundle, threads), *_served_works(bundle, host, client)]
        rates: dict[tuple[str, str], list[float]] = {
            (work.operation, work.stage): [] for work in works
        }
        for work in works:
            work.rate(WARM_UP_S)
        # Rounds in turns: a core that slows down for a while slows all stages alike.
        for number in range(args.rounds):
            for work in works:
                rates[work.operation, work.stage].append(work.rate(args.seconds))
            print(f"round {number + 1} of {args.rounds}")
    text = _table(bundle, threads, args, rates)
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / f"ceiling-{now}.md").write_text(text, "utf-8")
    print(text)
    return 0


def _graph_works(bundle: Bundle, threads: int) -> list[Work]:
    manifest = bundle.manifest
    generator = np.random.default_rng(0)
    latents = generator.standard_normal((max(BATCHES), manifest.latent.dimension), np.float32)
    decoder, encoder = _session(bundle.decoder), _session(bundle.encoder)
    pictures: NDArray[np.uint8] = decoder.run(None, {"latent": latents})[0]
    png = images.encode(pictures[0], "image/png")

    def decode_then_png() -> None:
        images.encode(decoder.run(None, {"latent": latents[:1]})[0][0], "image/png")

    def png_then_encode() -> None:
        encoder.run(None, {"image": images.decode(png, manifest.image, LIMITS)[None]})

    works = []
    for size in BATCHES:
        decode = _runner(decoder, {"latent": latents[:size]})
        encode = _runner(encoder, {"image": pictures[:size]})
        stage = f"ORT, batch {size}"
        works.append(Work("decode", stage, _in_threads(decode, threads, size)))
        works.append(Work("encode", stage, _in_threads(encode, threads, size)))
    works.append(Work("decode", "ORT + codec", _in_threads(decode_then_png, threads, 1)))
    works.append(Work("encode", "ORT + codec", _in_threads(png_then_encode, threads, 1)))
    return works


def _session(graph: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _runner(session: ort.InferenceSession, feed: Mapping[str, NDArray[Any]]) -> Callable[[], None]:
    def run() -> None:
        session.run(None, feed)

    return run


def _in_threads(work: Callable[[], None], threads: int, items: int) -> Callable[[float], float]:
    """The rate of ``work``, which is worth ``items`` images, called by every thread at once."""

    def until(ends: float) -> int:
        done = 0
        while time.perf_counter() < ends:
            work()
            done += items
        return done

    def rate(seconds: float) -> float:
        begun = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            done = sum(pool.map(until, [begun + seconds] * threads))
        return done / (time.perf_counter() - begun)

    return rate


def _served_works(bundle: Bundle, host: str, client: ProcessPoolExecutor) -> list[Work]:
    dimension = bundle.manifest.latent.dimension
    latents = np.random.default_rng(0).standard_normal((1, dimension)).round(4).tolist()
    height, width, _ = bundle.manifest.image.shape
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    requests = {
        "decode": _request(
            "/v1/decode", "application/json", json.dumps({"latents": latents}).encode()
        ),
        "encode": _request("/v1/encode", "image/png", images.encode(picture, "image/png")),
    }

    def served(request: bytes) -> Callable[[float], float]:
        return lambda seconds: client.submit(_drive, host, request, seconds).result()

    return [Work(name, "served", served(request)) for name, request in requests.items()]


def _request(path: str, media_type: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _drive(host: str, request: bytes, seconds: float) -> float:
    """Right answers a second over `CONNECTIONS` connections, each with one request at a time."""
    return asyncio.run(_drive_all(host, request, seconds))


async def _drive_all(host: str, request: bytes, seconds: float) -> float:
    begun = time.perf_counter()
    jobs = [_drive_one(host, request, begun + seconds) for _ in range(CONNECTIONS)]
    return sum(await asyncio.gather(*jobs)) / (time.perf_counter() - begun)


async def _drive_one(host: str, request: bytes, ends: float) -> int:
    parts = urlsplit(host)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    done = 0
    try:
        while time.perf_counter() < ends:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length))
            if OK not in head.partition(b"\r\n")[0]:
                raise RuntimeError(f"the server answered {head[:40]!r} {body[:200]!r}")
            done += 1
    finally:
        writer.close()
        await writer.wait_closed()
    return done


def _table(
    bundle: Bundle,
    threads: int,
    args: argparse.Namespace,
    rates: dict[tuple[str, str], list[float]],
) -> str:
    manifest = bundle.manifest
    machine = f"{_processor()}, {threads} cores, {platform.system()}"
    software = f"Python {platform.python_version()}, onnxruntime {version('onnxruntime')}"
    command = f"`python benchmarks/ceiling.py --rounds {args.rounds} --seconds {args.seconds:g}`"
    how = f"medians; {CONNECTIONS} connections, PNG, the client on the same cores"
    shape = f"{manifest.image.shape}, {manifest.latent.dimension} latents"
    lines = [
        f"# Ceiling, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "",
        f"- model {manifest.name} {manifest.version}, {shape}",
        f"- {machine}, {software}",
        f"- {command}; {how}",
        "",
        "| operation | stage | images/s | of ORT + codec | rounds, lowest to highest |",
        "|---|---|---:|---:|---|",
    ]
    for (operation, stage), found in sorted(rates.items()):
        ceiling = statistics.median(rates[operation, "ORT + codec"])
        middle = statistics.median(found)
        spread = f"{min(found):.0f} to {max(found):.0f}"
        lines.append(
            f"| {operation} | {stage} | {middle:.0f} | {middle / ceiling:.2f} | {spread} |"
        )
    return "\n".join(lines) + "\n"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare raw ORT, ORT with codecs, and serving.")
    parser.add_argument("--bundle", type=Path, default=Path("models/faces-64"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

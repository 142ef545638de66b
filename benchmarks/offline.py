"""Offline jobs, measured: `latentserve batch encode` beside graphs and codecs alone, and killed.

    IN, bundle → ceiling (decode, run; one thread per core) ┐
               → the command: images a second, memory       ┴→ rounds in turns → medians
               → the command, killed at random moments      ─→ the same rows?
               → the command on Ray, an actor killed        ─→ the same rows?

The ceiling holds all files in memory and writes nothing; the command lists, reads, writes Parquet
and keeps its ledger. Its rate is given with the start of Python, and without, as it says itself.
Needs the extras ``batch`` and, with ``--ray``, ``ray``.

    python -m benchmarks.offline photos --bundle models/faces-64
    python -m benchmarks.offline train-images-idx3-ubyte.gz --bundle fashion-32
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from batch.job import JobOptions
from benchmarks import machine
from benchmarks.ceiling import LIMITS, session
from bundle import open_bundle
from inference import images
from inference.cores import available_cores
from training.data.idx import read_idx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bundle import Bundle

BATCH = JobOptions.batch_size
KILLS = 3
_PACKAGES = ("onnxruntime", "numpy", "pillow", "pyarrow", "ray")
_MIB = 1 << 20


@dataclass
class Found:
    """What was measured.

    Attributes:
        items: Images.
        ceiling: Images a second of graphs and codecs alone, a figure for each round.
        seconds: Of the whole command, from its start to its end.
        own: Images a second as the command says them, from its listing to its last row.
        peak_mib: Of its memory.
        killed_at_s: When it was killed, for each of the kills.
        same_after_kills: Whether the rows are then those of the run that was let be.
        ray_s: Seconds of the command on Ray, an actor killed on the way; None if it was not run.
        same_on_ray: Whether its rows are the same.
    """

    items: int
    ceiling: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    killed_at_s: list[float] = field(default_factory=list)
    same_after_kills: bool = False
    ray_s: float | None = None
    same_on_ray: bool = False


def main() -> int:
    """Measure, print and write."""
    args = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        given = _packed(args.given, work) if _is_idx(args.given) else args.given
        found = measure(given, args.bundle, work, rounds=args.rounds, ray=args.ray)
    text = to_markdown(found, args)
    print(f"\n{text}")
    if args.results is not None:
        args.results.mkdir(parents=True, exist_ok=True)
        (args.results / f"offline-{args.name}.md").write_text(text, encoding="utf-8")
    return 0


def measure(given: Path, bundle: Path, work: Path, *, rounds: int, ray: bool) -> Found:
    """All figures of one input.

    Args:
        given: Folder of images, or a Parquet file with a column ``image``.
        bundle: What encodes them.
        work: An empty folder.
        rounds: Of ceiling and command.
        ray: Whether to run it on Ray, too.
    """
    files = _files(given)
    found, opened = Found(len(files)), open_bundle(bundle)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        found.ceiling.append(ceiling(files, opened))
        seconds, own, peak = _run(_command(given, bundle, work / f"whole-{number}"))
        found.seconds.append(seconds)
        found.own.append(own)
        found.peak_mib.append(peak)
    whole, out = _rows(work / "whole-0"), work / "killed"
    found.killed_at_s = _killed(_command(given, bundle, out), min(found.seconds))
    _run(_command(given, bundle, out))
    found.same_after_kills = _rows(out).equals(whole)
    if ray:
        print("on Ray", flush=True)
        command = [*_command(given, bundle, work / "ray"), "--ray", "--ray-actors", "2"]
        found.ray_s = _actor_killed([*command, "--shard-rows", str(max(1, len(files) // 16))])
        found.same_on_ray = _rows(work / "ray").equals(whole)
    return found


def ceiling(files: Sequence[bytes], bundle: Bundle) -> float:
    """Images a second when every thread decodes files and runs the encoder, and nothing else."""
    threads, encoder = available_cores(), session(bundle.encoder)

    def work(chunk: Sequence[bytes]) -> None:
        rows = np.stack([images.decode(file, bundle.manifest.image, LIMITS) for file in chunk])
        encoder.run(None, {"image": rows})

    chunks = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
    with ThreadPoolExecutor(threads) as pool:
        begun = time.perf_counter()
        for _ in pool.map(work, chunks):
            pass
    return len(files) / (time.perf_counter() - begun)


def to_markdown(found: Found, args: argparse.Namespace) -> str:
    """The result as a page of its own."""
    whole = [found.items / seconds for seconds in found.seconds]
    rate, top, own = map(statistics.median, (whole, found.ceiling, found.own))
    moments = ", ".join(f"{moment:.1f}" for moment in found.killed_at_s)
    rows = [
        ("images", f"{found.items:,}"),
        ("graphs and codecs alone, images/s", f"{top:.0f}"),
        ("the command, images/s, from its start to its end", f"{rate:.0f}"),
        ("of the ceiling of its round", f"{_of(whole, found.ceiling):.2f}"),
        ("as it says itself, from its listing to its last row", f"{own:.0f}"),
        ("of the ceiling of its round", f"{_of(found.own, found.ceiling):.2f}"),
        ("its memory at most, MiB", f"{max(found.peak_mib):.0f}"),
        (f"killed (SIGKILL) after seconds {moments}, then let be: the same rows", _yes(found)),
    ]
    if found.ray_s is not None:
        same = "yes" if found.same_on_ray else "no"
        rows.append(
            (f"on Ray, an actor killed on the way, {found.ray_s:.1f} s: the same rows", same)
        )
    software = ", ".join(f"{a} {b}" for a, b in machine.versions(*_PACKAGES).items())
    lines = [
        f"# Offline: encode {args.name}\n",
        f"- date: {datetime.now(UTC):%Y-%m-%d}",
        f"- hardware: {machine.hardware()}",
        f"- command: `python -m benchmarks.offline {args.given.name} --bundle {args.bundle.name}"
        f" --rounds {args.rounds}{' --ray' if args.ray else ''}`, medians of rounds in turns",
        f"- software: {software}\n",
        "| what | found |",
        "|---|---:|",
        *(f"| {name} | {value} |" for name, value in rows),
    ]
    return "\n".join([*lines, ""])


def _of(rates: Sequence[float], ceiling: Sequence[float]) -> float:
    """The median of ratios within a round: what slows a machine down for a while slows both."""
    return statistics.median(rate / top for rate, top in zip(rates, ceiling, strict=True))


def _yes(found: Found) -> str:
    return "yes" if found.same_after_kills else "no"


def _command(given: Path, bundle: Path, out: Path) -> list[str]:
    words = ["batch", "encode", str(given), "--out", str(out), "--bundle", str(bundle), "--quiet"]
    return [sys.executable, "-m", "cli.main", *words]


def _run(command: Sequence[str]) -> tuple[float, float, float]:
    """Seconds, the images a second that it says, and the most memory in MiB."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        told.seek(0)
        said = told.read()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {said}")
    own = re.search(r"\((\d+)/s\)", said)
    return seconds, float(own.group(1)) if own else float("nan"), used.ru_maxrss * 1024 / _MIB


def _killed(command: Sequence[str], whole_s: float) -> list[float]:
    """Kill it several times, at a random moment of what may be left of it."""
    moments, left = [], whole_s
    for _ in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        moment = random.SystemRandom().uniform(0.1, 0.5) * left
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        moments.append(moment)
        left = max(whole_s / 4, left - moment)
    return moments


def _actor_killed(command: Sequence[str]) -> float:
    """Run it, and kill one of the two actors once a first shard is kept; seconds."""
    begun, killed = time.perf_counter(), False
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    rows = Path(command[command.index("--out") + 1]) / "rows"
    while process.poll() is None:
        if not killed and any(rows.glob("part-*.parquet")):
            actors = [each for each in psutil.process_iter(["cmdline"]) if _is_actor(each)]
            if actors:
                actors[0].kill()
                killed = True
        time.sleep(0.02)
    if process.returncode or not killed:
        raise SystemExit(f"the job on Ray ended with {process.returncode}; killed: {killed}")
    return time.perf_counter() - begun


def _is_actor(process: psutil.Process) -> bool:
    words = process.info["cmdline"] or [""]
    return words[0].startswith("ray::") and "MapWorker" in words[0]


def _rows(out: Path) -> pa.Table:
    return pa.concat_tables(
        pq.read_table(part) for part in sorted((out / "rows").glob("*.parquet"))
    )


def _files(given: Path) -> list[bytes]:
    if given.is_file():
        return [value.as_py() for value in pq.read_table(given)["image"]]
    return [
        path.read_bytes() for path in sorted(given.rglob("*")) if path.suffix in {".jpg", ".png"}
    ]


def _is_idx(given: Path) -> bool:
    return given.name.removesuffix(".gz").endswith("-ubyte")


def _packed(given: Path, folder: Path) -> Path:
    """An IDX file's images as PNG in one Parquet file, as a shop would have them."""
    pixels = read_idx(given, 3).items
    files = [images.encode(image[:, :, None], "image/png") for image in pixels]
    keys = [f"{number:06d}" for number in range(len(files))]
    path = folder / "images.parquet"
    pq.write_table(pa.table({"key": keys, "image": files}), path, row_group_size=4096)
    return path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.offline", description="Measure an offline job, and kill it."
    )
    parser.add_argument("given", type=Path, metavar="IN", help="folder, Parquet or IDX file")
    parser.add_argument("--bundle", type=Path, default=Path("models/faces-64"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray", action="store_true", help="run it on Ray, too")
    parser.add_argument("--name", default="images", help="what the result is called")
    parser.add_argument("--results", type=Path, help="folder that offline-NAME.md is written to")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

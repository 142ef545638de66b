"""One job from beginning to end.

    bundle, operation, source → listing → OUT/job.json, written or compared → missing shards
        → engine, pipeline → shards → OUT/errors.parquet → Summary

1. Nothing is written before the listing is complete, and nothing is worked on before the job's
   file agrees.
2. A finished job does nothing when it is run again.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch.error_table import count_errors, write_error_table
from batch.errors import BatchError
from batch.ledger import Job, JobBundle, JobInput, JobLimits, JobOutput, Ledger
from batch.listing import Listing, list_items
from batch.loading import Loader
from batch.pipeline import Flow, run_shards
from batch.progress import Silent
from batch.shards import Plan
from batch.work import Work
from bundle.store import MANIFEST, sha256
from inference.cores import available_cores
from inference.engine import Engine, EngineOptions
from inference.errors import ServingError
from inference.images import ImageLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from batch.operations import Operation
    from batch.picture_files import ImageFormat
    from batch.progress import Progress
    from batch.sources.source import Source
    from bundle.store import Bundle
    from inference.options import Device

    Runner = Callable[[Sequence[int], "Task", Callable[[int, int], None]], None]

MAX_IN_FLIGHT = 64
_TRIED = (1, 2)
"""Batch sizes that show whether graphs run; a job's own sizes cost nobody's patience."""


@dataclass(frozen=True)
class JobOptions:
    """Where a job's output goes, and what it may take.

    Attributes:
        out: The output folder.
        images: The format of image files; None puts PNG into the rows.
        shard_rows: Items of a shard: what a killed job has to do again at most.
        batch_size: Items that are worked on together; one for ``detail``.
        threads: Codecs at once, and graphs at once on a CPU; 0 is one more than there are cores,
            which has work while another waits for the interpreter.
        device: As of the engine.
        max_image_pixels: Width × height of an image at most.
        max_image_bytes: Of a compressed image at most.
    """

    out: Path
    images: ImageFormat | None = None
    shard_rows: int = 4096
    batch_size: int = 64
    threads: int = 0
    device: Device = "auto"
    max_image_pixels: int = 16_000_000
    max_image_bytes: int = 32 << 20

    def engine(self) -> EngineOptions:
        """The engine's options: its queue holds all that the pipeline has in flight.

        Raises:
            ValueError: A number is beyond what an engine takes.
        """
        return EngineOptions(
            device=self.device,
            threads=self.threads or available_cores() + 1,
            max_batch_size=self.batch_size,
            max_queue_size=2 * MAX_IN_FLIGHT * self.batch_size,
            max_items=self.batch_size,
        )

    def flow(self, *, single: bool) -> Flow:
        """The pipeline's bounds; ``single`` pictures of any size go one by one."""
        in_flight = min(2 * self.engine().thread_count + 2, MAX_IN_FLIGHT)
        return Flow(chunk=1 if single else self.batch_size, in_flight=in_flight)


@dataclass(frozen=True)
class Summary:
    """What became of a job.

    Attributes:
        items: All of them.
        before: Those that were done before.
        failed: Those that have an error, in all.
        seconds: That the work took.
        notes: What the source passed over.
    """

    items: int
    before: int
    failed: int
    seconds: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """All that is needed to do shards: plain data, which other processes can be given.

    Attributes:
        bundle: What works.
        operation: What is done.
        source: Where items come from.
        listing: What they were.
        options: As above.
    """

    bundle: Bundle
    operation: Operation
    source: Source
    listing: Listing
    options: JobOptions

    @property
    def plan(self) -> Plan:
        """How items are cut into shards."""
        return Plan(self.listing.items, self.options.shard_rows)


def run_job(
    bundle: Bundle,
    operation: Operation,
    source: Source,
    options: JobOptions,
    *,
    progress: Progress | None = None,
    runner: Runner | None = None,
) -> Summary:
    """Do a job, or what is left of it.

    Args:
        bundle: What works.
        operation: What is done.
        source: Where items come from.
        options: Where the output goes, and what it may take.
        progress: Is told how it goes.
        runner: Does the shards; in this process if None.

    Raises:
        BatchError: It cannot begin or go on; complete shards stay.
        ServingError: The operation's parameters do not suit the bundle.
        DeviceUnavailable: ``device`` is ``cuda`` and there is none that works.
        ValueError: An option is beyond its limits.
    """
    shown = progress or Silent()
    begun = time.monotonic()
    _check(bundle, operation, source, options)
    ledger = Ledger(options.out)
    with (
        ledger.locked(),
        here(bundle, options) if runner is None else nullcontext(runner) as run,
    ):
        listing = list_items(
            source, options.shard_rows, images=options.images, progress=shown.listed
        )
        task = Task(bundle, operation, source, listing, options)
        ledger.begin(_describe(task))
        missing = ledger.missing(task.plan)
        if not missing and ledger.errors.is_file():
            failed, before = count_errors(ledger.errors), listing.items
        else:
            before = listing.items - sum(map(task.plan.rows, missing))
            shown.begin(before, listing.items)
            try:
                if missing:
                    run(missing, task, shown.add)
            finally:
                shown.end()
            failed = write_error_table(ledger.errors, ledger.rows, task.plan)
    notes = tuple(source.notes())
    return Summary(listing.items, before, failed, time.monotonic() - begun, notes)


@contextmanager
def here(bundle: Bundle, options: JobOptions) -> Iterator[Runner]:
    """Does shards in this process, on an engine that is opened while the items are listed.

    What goes wrong in opening it is raised when it is needed.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="opening") as thread:
        opening = thread.submit(Engine, bundle, options.engine())

        async def work(
            shards: Sequence[int], task: Task, progress: Callable[[int, int], None]
        ) -> None:
            engine = await warmed_up(opening.result())
            try:
                await do_shards(engine, shards, task, progress)
            finally:
                await engine.aclose()

        # An engine that nobody needed has started no thread, and is not closed.
        yield lambda shards, task, progress: asyncio.run(work(shards, task, progress))


async def warmed_up(engine: Engine) -> Engine:
    """``engine``, known to run; no caller waits for its first batches.

    Raises:
        BatchError: A graph does not run.
    """
    try:
        await engine.warm_up(_TRIED)
    except ServingError as error:
        await engine.aclose()
        raise BatchError(f"the graphs do not run: {error.__cause__ or error}") from error
    return engine


async def do_shards(
    engine: Engine, shards: Sequence[int], task: Task, progress: Callable[[int, int], None]
) -> None:
    """Do shards on a warm engine."""
    options, operation = task.options, task.operation
    ledger = Ledger(options.out)
    whole = operation.detail and task.source.takes == "images"
    load = Loader(
        task.bundle.manifest,
        ImageLimits(options.max_image_pixels),
        options.max_image_bytes,
        whole=whole,
    )
    work = Work(
        engine, operation, task.source.takes, load, images=options.images, folder=ledger.images
    )
    await run_shards(
        shards,
        source=task.source,
        plan=task.plan,
        listing=task.listing,
        flow=options.flow(single=whole),
        work=work,
        schema=work.schema,
        folder=ledger.rows,
        files_too=options.images is not None,
        progress=progress,
    )


def bundle_hash(bundle: Bundle) -> str:
    """The hash of a bundle's manifest, which holds those of all its files."""
    return sha256((bundle.path / MANIFEST).read_bytes())


def _check(bundle: Bundle, operation: Operation, source: Source, options: JobOptions) -> None:
    operation.check(bundle)
    options.engine()
    ImageLimits(options.max_image_pixels)
    if options.images is not None and not operation.gives_images:
        raise BatchError("encode gives latents and no images; leave out --images")
    if operation.detail and source.takes != "images":
        raise BatchError("detail needs the pictures themselves, and the input holds latents")
    if source.reaches(options.out.resolve()):
        raise BatchError(
            f"{options.out} lies in the input {source.name}: its files would become items of the "
            "same job; choose an --out beside it"
        )


def _describe(task: Task) -> Job:
    manifest, options = task.bundle.manifest, task.options
    return Job(
        operation=task.operation.name,
        parameters=task.operation.parameters,
        bundle=JobBundle(
            name=manifest.name,
            version=manifest.version,
            sha256=bundle_hash(task.bundle),
        ),
        input=JobInput(kind=task.source.kind, items=task.listing.items, digest=task.listing.digest),
        output=JobOutput(images=options.images, shard_rows=options.shard_rows),
        limits=JobLimits(
            max_image_pixels=options.max_image_pixels, max_image_bytes=options.max_image_bytes
        ),
    )

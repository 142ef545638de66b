"""The same job on a Ray cluster: shards go to actors, each with an engine of its own.

    missing shards → Ray Data, one block each → `ShardWorker` on an actor → its shard's file
        → (shard, items, failed, error) back

No scheduler of our own, and no row goes through Ray: actors write the shards as a job without it
does, into the same folder. All machines must see it, and the input.

1. What Ray gives twice, after an actor's death, is done once: a shard that is there stays.
2. An error that would stop a local job stops this one, with the same words.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
import ray.data

from batch.error_table import count_failed_rows
from batch.errors import BatchError
from batch.job import do_shards, warmed_up
from batch.ledger import Ledger
from batch.shards import shard_name
from inference.cores import available_cores
from inference.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from batch.job import Runner, Task

LOCAL = "local"
"""The address that starts a Ray on this machine and ends it with the job."""
_STORE_BYTES = 128 << 20
_MAX_BLOCKS = 10_000


def ray_runner(address: str = LOCAL, *, actors: int = 0) -> Runner:
    """What does shards on a cluster.

    Args:
        address: `LOCAL`, ``auto`` for the cluster of this machine, or a cluster's address.
        actors: How many; 0 takes one for each ``threads`` CPUs, or each GPU if the device is cuda.
    """
    return partial(_run, address, actors)


class ShardWorker:
    """An actor: a warm engine that does the shards that Ray gives it."""

    def __init__(self, task: Task) -> None:
        """Open the engine."""
        self._task = task
        self._loop = asyncio.Runner()
        self._engine = self._loop.run(warmed_up(Engine(task.bundle, task.options.engine())))

    def __call__(self, block: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[Any]]:
        """Do the shards of a block; an error is told, as Ray would dress up one that is raised."""
        rows = [self._do(int(shard)) for shard in block["shard"]]
        items, failed, errors = zip(*rows, strict=True)
        return {
            "items": np.array(items, np.int64),
            "failed": np.array(failed, np.int64),
            "error": np.array(errors, np.str_),
        }

    def _do(self, shard: int) -> tuple[int, int, str]:
        task = self._task
        file = Ledger(task.options.out).rows / shard_name(shard)
        if not file.exists():
            try:
                self._loop.run(do_shards(self._engine, [shard], task, lambda _done, _failed: None))
            except BatchError as error:
                return 0, 0, str(error)
        return task.plan.rows(shard), count_failed_rows(file), ""


def _run(
    address: str,
    actors: int,
    shards: Sequence[int],
    task: Task,
    progress: Callable[[int, int], None],
) -> None:
    threads = task.options.threads or 1
    out = task.options.out.absolute()
    options = dataclasses.replace(task.options, out=out, threads=threads)
    with _connected(address, threads * max(1, actors)):
        gpus = 1 if options.device == "cuda" else 0
        blocks = ray.data.from_items(
            [{"shard": shard} for shard in shards],
            override_num_blocks=min(len(shards), _MAX_BLOCKS),
        )
        pool = (
            ray.data.ActorPoolStrategy(size=min(actors, len(shards)))
            if actors
            # A cluster may grow with what waits for it.
            else ray.data.ActorPoolStrategy(
                min_size=1,
                initial_size=min(_room(threads, gpus), len(shards)),
                max_size=len(shards),
            )
        )
        done = blocks.map_batches(
            ShardWorker,
            fn_constructor_args=(dataclasses.replace(task, options=options),),
            batch_size=1,
            num_cpus=threads,
            num_gpus=gpus,
            compute=pool,
        )
        for row in done.iter_rows():
            if row["error"]:
                raise BatchError(str(row["error"]))
            progress(int(row["items"]), int(row["failed"]))


@contextlib.contextmanager
def _connected(address: str, cpus: int) -> Iterator[None]:
    """A connection to the cluster; one that was started here ends here."""
    # Ray reports its use to its makers unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if address == LOCAL:
            ray.init(
                address=LOCAL,
                num_cpus=max(available_cores(), cpus),
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BatchError(
            f"no Ray answers at {address!r} ({error}); give its address, `auto` for the one "
            "of this machine, or --ray alone to start one here"
        ) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    try:
        yield
    finally:
        ray.shutdown()


def _room(threads: int, gpus: int) -> int:
    """How many actors the cluster has room for now, at least 1."""
    found = ray.cluster_resources()
    room = found.get("GPU", 0) if gpus else found.get("CPU", 0) // threads
    return max(1, int(room))

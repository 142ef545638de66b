"""Prometheus metrics of one worker, with labels that cannot grow without bound.

finished requests, batch records, gauges read at scrape time → registry → text of /metrics

The registry is this worker's own: with several workers a scrape reaches one of them, so sum
over scrapes is wrong and each worker's ``latentserve_worker_info`` tells them apart.

1. A label's values come from tables in the code (routes, slugs, graphs, stages) and from the
   operator's names of keys, never from a caller: a path that is not a route counts as ``unknown``.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

# BentoML points all servers of a host to one folder for metrics, and each start empties it; ours
# are the worker's own. prometheus_client reads this once, when it is first imported.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from inference.errors import DeadlineExceeded, NotReady, QueueFull, ShuttingDown

if TYPE_CHECKING:
    from collections.abc import Callable

    from inference.batching import BatchRecord
    from inference.call import Call

CONTENT_TYPE = CONTENT_TYPE_LATEST
UNKNOWN_ROUTE = "unknown"
_OK = "ok"
SHED_SLUGS = frozenset(
    error.slug for error in (QueueFull, NotReady, ShuttingDown, DeadlineExceeded)
)
_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_GRAPHS = ("encoder", "decoder")
_STAGES = ("decode", "encode")


def _series(metric: Counter | Histogram, *labels: object) -> Counter | Histogram:
    return metric.labels(*labels)


class Telemetry:
    """The metrics of one worker."""

    def __init__(self) -> None:
        """Make every metric, in a registry of its own."""
        # A series with the time of each counter's birth would be as many series again.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it takes and gives nothing
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "latentserve_requests",
            "Requests answered, by route or gRPC method, status and error slug (ok for none).",
            ("route", "status", "slug"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "latentserve_request_seconds",
            "Seconds from a request's head to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.items = Counter(
            "latentserve_items",
            "Images and latents of requests answered without a failure.",
            ("route",),
            registry=self.registry,
        )
        self.batch_items = Histogram(
            "latentserve_batch_items",
            "Items of each micro-batch.",
            ("graph",),
            buckets=_ITEMS,
            registry=self.registry,
        )
        self.queue_wait_seconds = Histogram(
            "latentserve_queue_wait_seconds",
            "Seconds that the oldest item of each micro-batch waited in the queue.",
            ("graph",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.compute_seconds = Histogram(
            "latentserve_compute_seconds",
            "Seconds that each micro-batch ran.",
            ("graph",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.failed_batches = Counter(
            "latentserve_failed_batches",
            "Micro-batches that failed.",
            ("graph",),
            registry=self.registry,
        )
        self.codec_seconds = Histogram(
            "latentserve_codec_seconds",
            "Seconds of one request spent on decoding its images or encoding its answer.",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.sheds = Counter(
            "latentserve_sheds",
            "Requests turned away although nothing was wrong with them, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self.caller_requests = Counter(
            "latentserve_caller_requests",
            "Requests answered where keys are asked for, by the name of the key (none for health "
            "and for unknown keys) and error slug (ok for none).",
            ("caller", "slug"),
            registry=self.registry,
        )
        self._queue_items = Gauge(
            "latentserve_queue_items",
            "Items that wait in a graph's queue now.",
            ("graph",),
            registry=self.registry,
        )
        self._codec_jobs = Gauge(
            "latentserve_codec_jobs",
            "Images that are decoded or encoded now, or wait for a thread to do it.",
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "latentserve_items_in_flight",
            "Items admitted and not answered yet.",
            registry=self.registry,
        )
        self._ready = Gauge(
            "latentserve_ready", "1 while the worker takes requests.", registry=self.registry
        )
        self._model_info = Gauge(
            "latentserve_model_info",
            "The model that is served; always 1.",
            ("name", "version", "provider"),
            registry=self.registry,
        )
        worker = Gauge(
            "latentserve_worker_info",
            "The process that answered this scrape; always 1.",
            ("pid",),
            registry=self.registry,
        )
        worker.labels(str(os.getpid())).set(1)
        ProcessCollector(registry=self.registry)
        # Prometheus' own look-up takes a lock and makes texts, several times for each request.
        self._series: Callable[..., Any] = functools.cache(_series)
        self._begin_at_zero()

    def describe_model(self, name: str, version: str, provider: str) -> None:
        """Name the model that is served."""
        self._model_info.labels(name, version, provider).set(1)

    def watch(
        self,
        *,
        queues: dict[str, Callable[[], float]],
        codec_jobs: Callable[[], float],
        in_flight: Callable[[], float],
        ready: Callable[[], float],
    ) -> None:
        """Read these gauges at each scrape."""
        for graph, length in queues.items():
            self._queue_items.labels(graph).set_function(length)
        self._codec_jobs.set_function(codec_jobs)
        self._in_flight.set_function(in_flight)
        self._ready.set_function(ready)

    def observe_batch(self, record: BatchRecord) -> None:
        """Count one micro-batch."""
        self._series(self.batch_items, record.graph).observe(record.size)
        self._series(self.queue_wait_seconds, record.graph).observe(record.queue_s)
        self._series(self.compute_seconds, record.graph).observe(record.compute_s)
        if not record.ok:
            self.failed_batches.labels(record.graph).inc()

    def observe_codecs(self, call: Call) -> None:
        """Count one request's decoding and encoding, as far as there was any."""
        for stage, seconds in zip(_STAGES, (call.decode_s, call.encode_s), strict=True):
            if seconds:
                self._series(self.codec_seconds, stage).observe(seconds)

    def observe_request(
        self, route: str, status: int | str, slug: str, seconds: float, items: int = 0
    ) -> None:
        """Count one finished request.

        Args:
            route: Its path; of gRPC the full name of its method.
            status: The number of HTTP, the name of gRPC.
            slug: ``ok`` where nothing failed.
            seconds: From its head to its answer.
            items: Images or latents that it asked the engine for.
        """
        self._series(self.requests, route, status, slug).inc()
        self._series(self.request_seconds, route).observe(seconds)
        if slug in SHED_SLUGS:
            self._series(self.sheds, slug).inc()
        if items and slug == _OK:
            self._series(self.items, route).inc(items)

    def observe_caller(self, caller: str, slug: str) -> None:
        """Count one finished request by its caller, whose name must be a configured one."""
        self.caller_requests.labels(caller, slug).inc()

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _begin_at_zero(self) -> None:
        """Show the series whose labels are known before they count, so that rates see the first."""
        for graph in _GRAPHS:
            self.failed_batches.labels(graph)
            for histogram in (self.batch_items, self.queue_wait_seconds, self.compute_seconds):
                histogram.labels(graph)
        for stage in _STAGES:
            self.codec_seconds.labels(stage)
        for reason in sorted(SHED_SLUGS):
            self.sheds.labels(reason)

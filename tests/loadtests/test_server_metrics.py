"""Histograms are the difference of two scrapes of real exposition text."""

from __future__ import annotations

import math

import pytest
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from loadtests.server_metrics import histograms, parse, processes, same_worker


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("latentserve_worker_info", "x", ("pid",), registry=registry).labels("7").set(1)
    return registry


def test_only_what_happened_between_is_counted(registry: CollectorRegistry) -> None:
    items = Histogram(
        "latentserve_batch_items", "x", ("graph",), buckets=(1, 2, 4), registry=registry
    )
    items.labels("decoder").observe(4)
    before = parse(generate_latest(registry).decode())
    for size in (1, 2, 2, 3, 100):
        items.labels("decoder").observe(size)
    items.labels("encoder").observe(1)
    after = parse(generate_latest(registry).decode())
    decoder, encoder = histograms(before, after)
    assert (decoder.graph, decoder.bounds) == ("decoder", (1.0, 2.0, 4.0, math.inf))
    assert (decoder.counts, decoder.total) == ((1, 2, 1, 1), 5)
    assert decoder.mean == pytest.approx(108 / 5)
    assert (encoder.graph, encoder.counts) == ("encoder", (1, 0, 0, 0))
    assert same_worker(before, after)
    assert [decoder.bound_of(share) for share in (0.2, 0.5, 0.8, 0.99)] == [1, 2, 4, math.inf]


def test_nothing_observed_has_no_mean(registry: CollectorRegistry) -> None:
    waits = Histogram("latentserve_queue_wait_seconds", "x", ("graph",), registry=registry)
    waits.labels("encoder").observe(0.1)
    scrape = parse(generate_latest(registry).decode())
    (nothing,) = histograms(scrape, scrape)
    assert nothing.total == 0
    assert math.isnan(nothing.mean)
    assert math.isnan(nothing.bound_of(0.5))


def test_what_must_not_grow_is_read_from_both_scrapes() -> None:
    before = parse("process_resident_memory_bytes 1e6\nprocess_open_fds 7\n")
    after = parse("process_resident_memory_bytes 2e6\n")
    assert processes(before, after) == {"memory": (1e6, 2e6)}
    assert processes({}, after) == {}


def test_other_workers_and_other_servers_are_known() -> None:
    scrapes = [parse(f'latentserve_worker_info{{pid="{pid}"}} 1.0\n') for pid in (1, 2)]
    assert not same_worker(*scrapes)
    assert histograms({}, parse("# HELP x\nx 1\nbroken{ 2\nup NaN_\n\n")) == []

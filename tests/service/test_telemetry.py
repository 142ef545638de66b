"""Metrics: what is counted where, and labels that cannot grow."""

from __future__ import annotations

from inference.call import Call
from service.telemetry import Telemetry


def value(telemetry: Telemetry, metric: str, /, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(metric, labels)


def test_requests_are_counted_by_route_status_and_slug() -> None:
    telemetry = Telemetry()
    telemetry.observe_request("/v1/decode", 200, "ok", 0.003)
    telemetry.observe_request("/v1/decode", 429, "queue_full", 0.001)
    labels = {"route": "/v1/decode", "status": "429", "slug": "queue_full"}
    assert value(telemetry, "latentserve_requests_total", **labels) == 1
    assert value(telemetry, "latentserve_request_seconds_count", route="/v1/decode") == 2


def test_items_are_counted_where_nothing_failed() -> None:
    telemetry = Telemetry()
    telemetry.observe_request("/v1/decode", 200, "ok", 0.003, 3)
    telemetry.observe_request("/v1/decode", 200, "ok", 0.003, 2)
    telemetry.observe_request("/v1/decode", 429, "queue_full", 0.001, 100)
    assert value(telemetry, "latentserve_items_total", route="/v1/decode") == 5


def test_known_series_begin_at_zero() -> None:
    telemetry = Telemetry()
    assert value(telemetry, "latentserve_sheds_total", reason="queue_full") == 0
    assert value(telemetry, "latentserve_failed_batches_total", graph="encoder") == 0
    assert value(telemetry, "latentserve_batch_items_count", graph="decoder") == 0


def test_only_requests_that_were_shed_count_as_sheds() -> None:
    telemetry = Telemetry()
    telemetry.observe_request("/v1/decode", 400, "invalid_request", 0.001)
    telemetry.observe_request("/v1/decode", 504, "deadline_exceeded", 0.001)
    assert value(telemetry, "latentserve_sheds_total", reason="invalid_request") is None
    assert value(telemetry, "latentserve_sheds_total", reason="deadline_exceeded") == 1


def test_gauges_are_read_at_each_scrape() -> None:
    telemetry = Telemetry()
    waiting = [3.0]
    telemetry.watch(
        queues={"decoder": lambda: waiting[0]},
        codec_jobs=lambda: 2.0,
        in_flight=lambda: 5.0,
        ready=lambda: 1.0,
    )
    assert value(telemetry, "latentserve_queue_items", graph="decoder") == 3
    waiting[0] = 8.0
    assert value(telemetry, "latentserve_queue_items", graph="decoder") == 8
    assert value(telemetry, "latentserve_items_in_flight") == 5
    assert value(telemetry, "latentserve_codec_jobs") == 2
    assert b"latentserve_ready 1.0" in telemetry.exposition()


def test_each_worker_has_a_registry_of_its_own() -> None:
    first, second = Telemetry(), Telemetry()
    first.observe_codecs(Call(decode_s=0.001))
    assert value(first, "latentserve_codec_seconds_count", stage="decode") == 1
    assert value(second, "latentserve_codec_seconds_count", stage="decode") == 0


def test_the_model_is_named() -> None:
    telemetry = Telemetry()
    telemetry.describe_model("tiny", "1", "CPUExecutionProvider")
    labels = {"name": "tiny", "version": "1", "provider": "CPUExecutionProvider"}
    assert value(telemetry, "latentserve_model_info", **labels) == 1

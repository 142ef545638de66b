"""Traces of requests and micro-batches, by OpenTelemetry's SDK.

traceparent → span of the request ⟵ queue, compute
                    ↑ link
              span of the micro-batch, in a trace of its own

The one module that imports OpenTelemetry. Samplers, resources, limits and addresses are those of
its environment variables.

1. A call's ``trace`` is the context that its spans are made in: the caller's, then the request's.
2. A micro-batch has a span exactly if one of its requests' spans is sampled.
3. No attribute is longer than what the access log shows, and none holds an image or a latent.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import SpanProcessor

    from inference.batching import BatchRecord
    from inference.call import Call
    from service.finished import Finished

logger = logging.getLogger("latentserve")
NAME = "latentserve"
UNTRACED = frozenset(
    {
        "/livez",
        "/readyz",
        "/metrics",
        "/v2/health/live",
        "/v2/health/ready",
        "/inference.GRPCInferenceService/ServerLive",
        "/inference.GRPCInferenceService/ServerReady",
    }
)
"""What machines ask every few seconds."""
_EXPORTERS = "opentelemetry_traces_exporter"
_FLUSH_S = 5.0
_NS = 1_000_000_000


class _Fields(Getter[Any]):
    """Reads headers (bytes) and gRPC metadata (text)."""

    def get(self, carrier: Mapping[Any, Any], key: str) -> list[str] | None:
        value = carrier.get(key.encode(), carrier.get(key))
        if value is None:
            return None
        return [value.decode("latin-1") if isinstance(value, bytes) else str(value)]

    def keys(self, carrier: Mapping[Any, Any]) -> list[str]:
        return [key.decode("latin-1") if isinstance(key, bytes) else key for key in carrier]


class Spans:
    """Traces of one worker; a `service.tracing.Tracing`.

    Args:
        processors: What finished spans are handed to.
    """

    def __init__(self, processors: Sequence[SpanProcessor]) -> None:
        """Nothing is traced yet."""
        asked = OTELResourceDetector().detect().attributes
        own = {"service.name": NAME, "service.version": __version__}
        resource = Resource.create({**own, **asked})
        self._requests = TracerProvider(resource=resource, shutdown_on_exit=False)
        # Whether a batch is sampled is its requests' affair: see invariant 2.
        self._batches = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        for processor in processors:
            self._requests.add_span_processor(processor)
            self._batches.add_span_processor(processor)
        self._tracer = self._requests.get_tracer(NAME, __version__)
        self._batch_tracer = self._batches.get_tracer(NAME, __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._fields = _Fields()

    def arrive(self, call: Call, fields: Mapping[Any, Any]) -> None:
        """Take the caller's W3C trace context, if it sent one."""
        call.trace = self._propagator.extract(fields, Context(), self._fields)

    def begin(self, call: Call, target: str) -> None:
        """Open the request's span; its name is known at its end."""
        if target in UNTRACED:
            return
        parent = _context(call)
        span = self._tracer.start_span("request", parent, SpanKind.SERVER)
        call.trace = trace.set_span_in_context(span, parent)

    def end(self, finished: Finished) -> None:
        """Close the request's span."""
        call = finished.call
        span = trace.get_current_span(_context(call))
        if not span.is_recording():
            return
        if finished.method:
            span.update_name(f"{finished.method} {finished.route}")
            span.set_attribute("http.request.method", finished.method)
            span.set_attribute("http.route", finished.route)
            span.set_attribute("http.response.status_code", finished.status)
        else:
            service, _, method = finished.route.strip("/").rpartition("/")
            code = grpc.StatusCode[str(finished.status)].value[0]
            span.update_name(finished.route.strip("/"))
            span.set_attribute("rpc.system", "grpc")
            span.set_attribute("rpc.service", service)
            span.set_attribute("rpc.method", method)
            span.set_attribute("rpc.grpc.status_code", code)
        span.set_attribute("latentserve.protocol", finished.protocol)
        span.set_attribute("latentserve.slug", finished.slug)
        span.set_attribute("latentserve.request_id", call.request_id)
        span.set_attribute("latentserve.items", call.items)
        span.set_attribute("latentserve.batch_size", call.batch_size)
        span.set_attribute("latentserve.decode_ms", 1000 * call.decode_s)
        span.set_attribute("latentserve.encode_ms", 1000 * call.encode_s)
        if finished.slug != "ok":
            span.set_attribute("error.type", finished.slug)
        if finished.server_fault:
            span.set_status(StatusCode.ERROR)
        span.end()

    def batch(self, record: BatchRecord) -> None:
        """A span with a link to each sampled request, and in those the wait and the run."""
        riders = [part for part in record.parts if _sampled(part.ticket.call)]
        if not riders:
            return
        facts: dict[str, str | int] = {
            "latentserve.graph": record.graph,
            "latentserve.batch_size": record.size,
        }
        formed = time.time_ns() - int((time.monotonic() - record.formed) * _NS)
        ended = formed + int(record.compute_s * _NS)
        batch = self._batch_tracer.start_span(
            f"batch {record.graph}",
            Context(),
            attributes={**facts, "latentserve.requests": len(record.parts)},
            links=[Link(_span_context(part.ticket.call)) for part in riders],
            start_time=formed,
        )
        if not record.ok:
            batch.set_status(StatusCode.ERROR)
        batch.end(ended)
        link = Link(batch.get_span_context())
        for part in riders:
            call = part.ticket.call
            arrived = formed - int((record.formed - part.ticket.arrived) * _NS)
            mine = {**facts, "latentserve.items": part.size}
            self._child(call, f"queue {record.graph}", arrived, formed)
            self._child(call, f"compute {record.graph}", formed, ended, mine, link)

    def trace_id(self, call: Call) -> str:
        """32 hexadecimal digits; nothing for a request that is not traced."""
        context = _span_context(call)
        return trace.format_trace_id(context.trace_id) if context.is_valid else ""

    async def aclose(self) -> None:
        """Send what is left, for at most five seconds: a collector may be gone."""
        closing = threading.Thread(target=self._requests.shutdown, daemon=True, name="last-spans")
        closing.start()
        await asyncio.to_thread(closing.join, _FLUSH_S)
        if closing.is_alive():
            logger.warning("the last traces could not be sent within %g s", _FLUSH_S)

    def _child(
        self,
        call: Call,
        name: str,
        start_ns: int,
        end_ns: int,
        attributes: dict[str, str | int] | None = None,
        *links: Link,
    ) -> None:
        span = self._tracer.start_span(
            name, _context(call), attributes=attributes, links=links, start_time=start_ns
        )
        span.end(end_ns)


def exporting(names: Sequence[str]) -> Spans:
    """Spans that go to exporters in the background.

    Args:
        names: Of entry points of the group that OpenTelemetry's exporters register in.

    Raises:
        LookupError: No installed package has such an exporter.
    """
    made: list[SpanProcessor] = []
    for name in names:
        found = tuple(entry_points(group=_EXPORTERS, name=name))
        if not found:
            known = ", ".join(sorted({point.name for point in entry_points(group=_EXPORTERS)}))
            raise LookupError(f"there is no exporter {name!r} here, only {known or 'none'}")
        made.append(BatchSpanProcessor(found[0].load()()))
    return Spans(made)


def _context(call: Call) -> Context:
    return call.trace if isinstance(call.trace, Context) else Context()


def _span_context(call: Call) -> trace.SpanContext:
    return trace.get_current_span(_context(call)).get_span_context()


def _sampled(call: Call) -> bool:
    return call.trace is not None and _span_context(call).trace_flags.sampled

"""Whether requests are traced, by OpenTelemetry's own environment variables.

OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_…  → names of exporters → Tracing | None

Imports nothing of OpenTelemetry; `service.spans`, which does, is imported only when an exporter is
asked for. A tracer that cannot be had is no reason not to serve: that is logged, with the cure.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inference.batching import BatchRecord
    from inference.call import Call
    from service.finished import Finished

logger = logging.getLogger("latentserve")
_OTLP = "otlp"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_OTLP_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OTLP_EXPORTERS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_DEFAULT_PROTOCOL = "http/protobuf"


class Tracing(Protocol):
    """What the service tells a tracer; `service.spans.Spans` is one."""

    def arrive(self, call: Call, fields: Mapping[Any, Any]) -> None:
        """Take the caller's trace, if any, from headers or metadata."""

    def begin(self, call: Call, target: str) -> None:
        """A request for ``target``, a path or a gRPC method, begins."""

    def end(self, finished: Finished) -> None:
        """It has ended."""

    def batch(self, record: BatchRecord) -> None:
        """A micro-batch has finished, in which it may have ridden."""

    def trace_id(self, call: Call) -> str:
        """Its trace's id in hexadecimal, or nothing."""

    async def aclose(self) -> None:
        """Send what is left."""


def exporters(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The exporters that the environment asks for, by their entry points' names.

    As OpenTelemetry specifies it, but that without a word nothing is exported.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    default = _OTLP if any(environment.get(name, "").strip() for name in _ENDPOINTS) else ""
    asked = environment.get("OTEL_TRACES_EXPORTER", "").strip() or default
    names = [name.strip() for name in asked.split(",")]
    spoken = (environment.get(name, "").strip() for name in _OTLP_PROTOCOLS)
    protocol = next(filter(None, spoken), _DEFAULT_PROTOCOL)
    otlp = _OTLP_EXPORTERS.get(protocol, f"otlp ({protocol})")
    known = (otlp if name == _OTLP else name for name in names if name not in {"", "none"})
    return tuple(dict.fromkeys(known))


def open_tracing(environment: Mapping[str, str]) -> Tracing | None:
    """The tracer that the environment asks for, if any, once its exporters could be made."""
    names = exporters(environment)
    if not names:
        return None
    try:
        tracing: Tracing = importlib.import_module("service.spans").exporting(names)
    except Exception as error:  # noqa: BLE001  (exporters fail with anything; serving goes on)
        logger.warning(
            "no traces are sent: exporter %s cannot be made (%s); install latentserve[tracing], or "
            "another exporter's package, or set OTEL_TRACES_EXPORTER=none",
            ", ".join(names),
            error,
        )
        return None
    return tracing

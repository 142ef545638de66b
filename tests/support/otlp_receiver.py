"""A tiny collector: takes traces over OTLP/HTTP and keeps them."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import threading
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Generator


class Receiver:
    """What came in.

    Attributes:
        url: Of the collector, as OTEL_EXPORTER_OTLP_ENDPOINT takes it.
        requests: One for each message.
        paths: Where each was sent.
    """

    def __init__(self, url: str) -> None:
        """Nothing came in yet."""
        self.url = url
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: list[str] = []

    @property
    def spans(self) -> list[Any]:
        """All spans, in the order in which they came."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def services(self) -> set[str]:
        """The names of the services that sent them."""
        return {
            attribute.value.string_value
            for request in self.requests
            for resource in request.resource_spans
            for attribute in resource.resource.attributes
            if attribute.key == "service.name"
        }


@contextlib.contextmanager
def receiving() -> Generator[Receiver]:
    """A collector while the context lasts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.requests.append(ExportTraceServiceRequest.FromString(body))
            receiver.paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's own name)
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()

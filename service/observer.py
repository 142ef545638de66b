"""Where a worker is watched from: what happens is told here once, and counted, logged and traced.

arrive → begin → batch … → finish → Telemetry, access log, Tracing

Knows no protocol and no image. With neither log nor tracing it costs what the counting costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service import access_log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inference.batching import BatchRecord
    from inference.call import Call
    from service.finished import Finished
    from service.telemetry import Telemetry
    from service.tracing import Tracing


class Observer:
    """Watches one worker.

    Attributes:
        telemetry: Its metrics.
        tracing: Follows requests; None for no traces.
    """

    def __init__(self, telemetry: Telemetry, *, log: bool) -> None:
        """Count; and log if ``log`` is set."""
        self.telemetry = telemetry
        self.tracing: Tracing | None = None
        self._log = log

    def arrive(self, call: Call, fields: Mapping[Any, Any]) -> None:
        """A caller is there, with these headers or metadata."""
        if self.tracing is not None:
            self.tracing.arrive(call, fields)

    def begin(self, call: Call, target: str) -> None:
        """Its request for ``target``, a path or a gRPC method, begins."""
        if self.tracing is not None:
            self.tracing.begin(call, target)

    def finish(self, finished: Finished) -> None:
        """It has ended, whether it began above or not."""
        self.telemetry.observe_request(
            finished.route, finished.status, finished.slug, finished.seconds, finished.call.items
        )
        self.telemetry.observe_codecs(finished.call)
        trace_id = ""
        if self.tracing is not None:
            self.tracing.end(finished)
            trace_id = self.tracing.trace_id(finished.call)
        if self._log:
            access_log.write(finished, trace_id)

    def batch(self, record: BatchRecord) -> None:
        """A micro-batch has finished."""
        self.telemetry.observe_batch(record)
        if self.tracing is not None:
            self.tracing.batch(record)

    async def aclose(self) -> None:
        """Send what is left of the traces."""
        if self.tracing is not None:
            await self.tracing.aclose()
            self.tracing = None

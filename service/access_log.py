"""The access log: one line of JSON for each finished request.

Finished → {"time": …, "request_id": …, "protocol": …, …} → logger `latentserve.access` → stderr

Knows no protocol. Off unless `access_log` is set.

1. One request is one line: whatever a client sent, it neither ends the line nor begins another.
2. A line is ASCII and has no more than `MAX_CHARACTERS`.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.finished import Finished

logger = logging.getLogger("latentserve.access")
MAX_CHARACTERS = 4096
_MAX_TEXT = 128
"""Of one value, before it is escaped to at most twelve times as many."""


def line(finished: Finished, now: datetime, trace_id: str = "") -> str:
    """The line of one request, without its end.

    Args:
        finished: The request.
        now: When it ended, in UTC.
        trace_id: Of its trace, if it has one.
    """
    call = finished.call
    fields: dict[str, object] = {
        "time": now.isoformat(timespec="milliseconds"),
        "request_id": _cut(call.request_id),
        "caller": _cut(call.caller),
        "protocol": finished.protocol,
        "method": finished.method,
        "route": finished.route,
        "status": finished.status,
        "slug": finished.slug,
        "items": call.items,
        "batch_size": call.batch_size,
        "queue_ms": _ms(call.queue_s),
        "compute_ms": _ms(call.compute_s),
        "codec_ms": _ms(call.codec_s),
        "total_ms": _ms(finished.seconds),
        "trace_id": trace_id,
    }
    # Not orjson: it leaves characters beyond ASCII, some of which readers take for line ends.
    return json.dumps({name: value for name, value in fields.items() if value != ""})


def write(finished: Finished, trace_id: str = "") -> None:
    """Log one request."""
    logger.info("%s", line(finished, datetime.now(UTC), trace_id))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)

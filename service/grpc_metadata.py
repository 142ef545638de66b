"""What goes with a gRPC call beside its messages: peer names, and trailing metadata like headers.

peer text → caller;  Call, error → ((key, value), …), status text

Knows no service.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import unquote

from service.wire import server_timing

if TYPE_CHECKING:
    from inference.call import Call
    from inference.errors import ServingError

Metadata = tuple[tuple[str, str], ...]
ERROR_SLUG = "x-error-slug"
_SHOWN_CHARACTERS = 1500
"""Of a message: it travels as a header, of which gRPC takes 8 KiB together."""


def caller_of(peer: str) -> str:
    """Whom fairness goes by: the peer's address as over HTTP; a name where there is none."""
    kind, _, address = peer.partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return "anonymous"
    host, _, _ = unquote(address).rpartition(":")
    return host.strip("[]") or "anonymous"


def reply_metadata(call: Call, version: str | None, *, data: bool = False) -> Metadata:
    """The same facts that HTTP gives as headers.

    Args:
        call: The request's context.
        version: Of the model, if it is loaded.
        data: Whether the model ran.
    """
    pairs = [("x-request-id", call.request_id)]
    if version is not None:
        pairs.append(("x-model-version", version))
    if data:
        pairs += [("x-batch-size", str(call.batch_size)), ("server-timing", server_timing(call))]
    return tuple(pairs)


def failure_metadata(error: ServingError) -> Metadata:
    """The slug, and when to come back: for people, and as gRPC's own retry policies read it."""
    pairs = [(ERROR_SLUG, error.slug)]
    if error.retry_after_s is not None:
        pairs.append(("retry-after", str(max(1, math.ceil(error.retry_after_s)))))
        pairs.append(("grpc-retry-pushback-ms", str(math.ceil(error.retry_after_s * 1000))))
    return tuple(pairs)


def shown(error: ServingError) -> str:
    """The message as a status can hold it."""
    text = error.message.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"

"""One HTTP exchange as plain values: what came in, what goes out, and how its bytes are counted.

ASGI scope, receive → head, body (bounded) → Request … Reply → ASGI send

Knows ASGI and nothing of routes, images or the engine.

1. No more than ``max_body_bytes`` of a body are ever held.
2. A caller that leaves while its body is read raises `ClientLeft`: there is nobody to answer.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from inference.errors import InvalidRequest, PayloadTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from starlette.types import Receive, Scope, Send

    from inference.call import Call

JSON = "application/json"
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_MAX_QUERY_FIELDS = 64
_WORKER = secrets.token_hex(4)
_NUMBERS = count(secrets.randbits(24))
"""A request that has no id gets its worker's, drawn once, and a number: nobody is kept out by it,
and a random one for each would cost a system call."""


class ClientLeft(Exception):  # noqa: N818  (an event, not a fault)
    """The caller closed the connection before its answer."""


@dataclass(slots=True)
class Request:
    """One request whose body has been read.

    Attributes:
        method: Upper-case HTTP method.
        path: Decoded path.
        headers: Lower-case names; of a repeated header the last, but all of Accept.
        query: Text parameters of the URL.
        body: At most ``max_body_bytes`` bytes.
        call: The context that travels through the engine.
    """

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    query: Mapping[str, str]
    body: bytes
    call: Call

    @property
    def media_type(self) -> str:
        """The body's media type in lower case, without parameters; empty if none was sent."""
        value = self.headers.get(b"content-type", b"").decode("latin-1")
        return value.partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    body: bytes
    media_type: str = JSON
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


def request_id(headers: Mapping[bytes, bytes]) -> str:
    """The caller's X-Request-ID if it is a sane one (1 to 128 plain characters), else a new one."""
    sent = headers.get(b"x-request-id", b"")
    return sent.decode() if _SANE_ID.fullmatch(sent) else f"{_WORKER}{next(_NUMBERS):08x}"


def parse_query(query: bytes) -> dict[str, str]:
    """The URL's parameters.

    Raises:
        InvalidRequest: A name is given twice, or there are too many.
    """
    if not query:
        return {}
    try:
        pairs = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS
        )
    except ValueError as error:
        raise InvalidRequest(
            f"the URL has more than {_MAX_QUERY_FIELDS} parameters; send them in the body"
        ) from error
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"the URL gives {twice!r} twice; give it once")
    return fields


async def read_body(
    receive: Receive,
    headers: Mapping[bytes, bytes],
    max_bytes: int,
    take: Callable[[int], None],
) -> bytes:
    """The whole body, refused as soon as it is known to be larger than ``max_bytes``.

    Args:
        receive: Gives the chunks.
        headers: Of the same request.
        max_bytes: The most that this body may have.
        take: Told of each chunk's bytes before it is kept; may refuse it.

    Raises:
        PayloadTooLarge: By Content-Length before a byte is read, or by the bytes that came.
        ClientLeft: The caller closed the connection.
    """
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced[:20]) > max_bytes:
        raise _too_large(f"{int(announced[:20])} bytes", max_bytes)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(f"{size} bytes so far", max_bytes)
        take(len(chunk))
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def send_reply(
    send: Send, reply: Reply, extra: Mapping[str, str], *, head_only: bool = False
) -> None:
    """Send ``reply`` with the headers ``extra`` beside its own."""
    headers = [
        (b"content-type", reply.media_type.encode("latin-1")),
        (b"content-length", str(len(reply.body)).encode()),
    ]
    headers += [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in (*reply.headers.items(), *extra.items())
    ]
    await send({"type": "http.response.start", "status": int(reply.status), "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else reply.body})


def head_of(scope: Scope) -> MutableMapping[bytes, bytes]:
    """The headers of an ASGI scope by lower-case name."""
    pairs: list[tuple[bytes, bytes]] = scope["headers"]
    headers = dict(pairs)
    if len(headers) < len(pairs) and b"accept" in headers:
        # A list on several lines is one list (RFC 9110, 5.3).
        headers[b"accept"] = b", ".join(value for name, value in pairs if name == b"accept")
    return headers


def caller_of(scope: Scope) -> str:
    """Whom fairness goes by: the peer's address; a name where the connection has none."""
    peer = scope.get("client")
    return str(peer[0]) if peer else "anonymous"


def server_timing(call: Call) -> str:
    """Where the time of ``call`` went, as the header Server-Timing has it; milliseconds."""
    return (
        f"queue;dur={call.queue_s * 1000:.3f}, compute;dur={call.compute_s * 1000:.3f}, "
        f"codec;dur={call.codec_s * 1000:.3f}"
    )


def replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives ``body`` once, then what the connection gives."""
    given = False

    async def receive_again() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _too_large(size: str, max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"the body has {size}, the limit is {max_bytes} bytes; send smaller or fewer images, "
        "or ask the operator to raise `max_body_bytes`"
    )

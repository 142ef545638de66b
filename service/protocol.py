"""HTTP/1.1 as uvicorn speaks it, with an end to what is neither body nor needed.

bytes from the socket → head and trailers bounded → uvicorn's parser → ASGI
an answer's head + its body → one write to the socket

uvicorn has no limit of its own for a request line, headers, chunk sizes and trailers: it gathers
them in memory, in time that grows with their square. A front proxy usually cuts them off; nobody
has to have one.

1. Between two requests, and beside their bodies, a connection brings at most `MAX_HEAD_BYTES`.
2. What is no HTTP is answered by the envelope, too.
3. A connection rests for `KEEP_ALIVE_S` before it is closed.
4. An answer's head is held back for its body, and nothing else is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from inference.errors import InvalidRequest, PayloadTooLarge
from service.envelope import failure
from service.wire import request_id

if TYPE_CHECKING:
    import asyncio

    from inference.errors import ServingError

MAX_HEAD_BYTES = 64 << 10
KEEP_ALIVE_S = 75
"""Longer than clients (httpx 5 s) and load balancers (60 s) keep a connection that rests: whoever
closes it first must not be the side that cannot know of the next request on its way."""
JOINED_BYTES = 64 << 10
"""A longer body has a write of its own, since copying it would cost more than that."""
_FRAME_BYTES = 8
"""What the smallest chunk of a chunked body may need around it, for each byte of its own."""


class WholeAnswer:
    """The transport of one answer: its first write, the head, leaves with the second, the body.

    Each write is a call of the operating system and wakes the client: more than a tenth of what a
    refusal costs either side.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        """Nothing was written yet."""
        self._transport = transport
        self._head: bytes | None = b""

    def write(self, data: bytes) -> None:
        """Write, or keep what comes first."""
        head = self._head
        if head == b"":
            self._head = data
            return
        self._head = None
        if head is not None and len(data) <= JOINED_BYTES:
            self._transport.write(head + data)
            return
        if head is not None:
            self._transport.write(head)
        self._transport.write(data)

    def close(self) -> None:
        """Close the connection after what was written."""
        if self._head:
            self._transport.write(self._head)
        self._head = None
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closed, or about to be."""
        return self._transport.is_closing()


class BoundedHttp(HttpToolsProtocol):
    """One connection; see the module's head."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (uvicorn's own)
        """Nothing came yet."""
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = KEEP_ALIVE_S
        # The data plane writes one itself, and uvicorn's makes its texts even if nobody reads them.
        self.access_log = False
        self._beside_bodies = 0

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it goes on without an end."""
        # The parser's callbacks below take away what turns out to be body, or another request's.
        self._beside_bodies += len(data)
        super().data_received(data)
        if self._beside_bodies > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(
                PayloadTooLarge(
                    f"the request's head has {self._beside_bodies} bytes so far, the limit is "
                    f"{MAX_HEAD_BYTES}; send parameters in the body"
                )
            )

    def on_message_begin(self) -> None:
        """A request begins."""
        self._beside_bodies = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A request's head is complete: its answer will leave in one piece."""
        before = self.cycle
        super().on_headers_complete()
        # An answer to HEAD has no second write, and one to Expect: 100-continue begins with a line
        # that the client waits for.
        if (
            self.cycle is not before
            and self.scope["method"] != "HEAD"
            and not self.expect_100_continue
        ):
            # It has all of a transport that an answer uses.
            self.cycle.transport = cast("asyncio.Transport", WholeAnswer(self.transport))

    def on_body(self, body: bytes) -> None:
        """A part of the body came, which the application bounds."""
        self._beside_bodies = max(0, self._beside_bodies - _FRAME_BYTES * len(body))
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(InvalidRequest(f"{msg} Send HTTP/1.1 or 1.0."))

    def _refuse(self, error: ServingError) -> None:
        # While another answer is on its way, this one would come in the middle of it.
        if self.cycle is None or self.cycle.response_complete:
            number = request_id({})
            reply = failure(error, number).reply
            headers = (
                f"content-type: {reply.media_type}\r\ncontent-length: {len(reply.body)}\r\n"
                f"x-request-id: {number}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(STATUS_LINE[reply.status] + headers.encode() + reply.body)
        self.transport.close()

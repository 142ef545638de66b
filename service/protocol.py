"""HTTP/1.1 as uvicorn speaks it, with an end to what is neither body nor needed.

bytes from the socket → head and trailers bounded → uvicorn's parser → ASGI

uvicorn has no limit of its own for a request line, headers, chunk sizes and trailers: it gathers
them in memory, in time that grows with their square. A front proxy usually cuts them off; nobody
has to have one.

1. Between two requests, and beside their bodies, a connection brings at most `MAX_HEAD_BYTES`.
2. What is no HTTP is answered by the envelope, too.
3. A connection rests for `KEEP_ALIVE_S` before it is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from inference.errors import InvalidRequest, PayloadTooLarge
from service.envelope import failure
from service.wire import request_id

if TYPE_CHECKING:
    from inference.errors import ServingError

MAX_HEAD_BYTES = 64 << 10
KEEP_ALIVE_S = 75
"""Longer than clients (httpx 5 s) and load balancers (60 s) keep a connection that rests: whoever
closes it first must not be the side that cannot know of the next request on its way."""
_FRAME_BYTES = 8
"""What the smallest chunk of a chunked body may need around it, for each byte of its own."""


class BoundedHttp(HttpToolsProtocol):
    """One connection; see the module's head."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (uvicorn's own)
        """Nothing came yet."""
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = KEEP_ALIVE_S
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

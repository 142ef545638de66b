"""Which web pages of other origins may call: the headers that browsers ask for, off by default.

request with Origin → is it allowed? → preflight answered | the answer's headers, and four more

Knows ASGI and headers; wraps the whole application, which knows nothing of it.

1. A request without Origin, or with one that is not allowed, goes through as if this were not here.
2. Cookies are never allowed: keys travel in a header that the page sets itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANY = "*"
EXPOSED = (
    "X-Request-ID",
    "X-Model-Version",
    "X-Batch-Size",
    "Server-Timing",
    "X-Seed",
    "Retry-After",
)
ACCEPTED = (
    "Accept",
    "Authorization",
    "Content-Type",
    "Inference-Header-Content-Length",
    "Traceparent",
    "X-Deadline-Ms",
    "X-Request-ID",
)
METHODS = ("GET", "HEAD", "POST")
_MAX_AGE_S = 600
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class Cors:
    """An application that pages of some origins may call.

    Args:
        app: The application.
        origins: Exact origins, or `ANY`.
    """

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        """Keep the application and its allowed origins."""
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        self._any = ANY in origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection scope."""
        origin = _header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None or not (self._any or origin in self._origins):
            await self._app(scope, receive, send)
            return
        allowed = [
            (b"access-control-allow-origin", ANY.encode() if self._any else origin),
            (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
            # A cache must not give one origin's answer to another.
            (b"vary", b"Origin"),
        ]
        if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method"):
            await send(
                {
                    "type": "http.response.start",
                    "status": 204,
                    "headers": [
                        *allowed,
                        (b"access-control-allow-methods", ", ".join(METHODS).encode()),
                        (b"access-control-allow-headers", ", ".join(ACCEPTED).encode()),
                        (b"access-control-max-age", str(_MAX_AGE_S).encode()),
                    ],
                }
            )
            await send({"type": "http.response.body", "body": b""})
            return

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *allowed]
            await send(message)

        await self._app(scope, receive, tell)


def parse_origins(text: str) -> frozenset[str]:
    """Origins between commas; none if there is no text.

    Raises:
        ValueError: One is no origin.
    """
    origins = frozenset(part.strip().lower() for part in text.split(",") if part.strip())
    for origin in sorted(origins):
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin[:100]!r} is no origin; give scheme, host and perhaps port as in "
                "https://shop.example, without a path, or * for all"
            )
    return origins


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == wanted), None)

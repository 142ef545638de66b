"""One client of one protocol, with one connection: sends an example, says what came of it.

    Example → HTTP | gRPC → Reply(result, body or reason, seconds to wait)

Used under gevent, where waiting for an answer lets other users go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from loadtests.outcomes import SHED_STATUSES, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.access import Target
    from loadtests.examples import Example

OK = 200
TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 10.0
_SHOWN_BYTES = 200


class Reply(NamedTuple):
    """What came back.

    Attributes:
        result: Ok until the content has been looked at.
        body: Of an answer that may be right.
        reason: Why it is none.
        wait_s: How long the server asks to wait.
    """

    result: Result
    body: bytes = b""
    reason: str = ""
    wait_s: float = 0.0


class HttpDoor:
    """``/v1`` and ``/v2``."""

    def __init__(self, target: Target) -> None:
        """Connects with the first request."""
        access = target.access
        self._prefix = urlsplit(target.host).path
        self._headers = access.headers()
        self._client = HTTPClient.from_url(
            target.host,
            concurrency=1,
            network_timeout=TIMEOUT_S,
            connection_timeout=CONNECT_TIMEOUT_S,
            **({"ssl_context_factory": access.context} if target.secure else {}),
        )

    def send(self, example: Example) -> Reply:
        """One request and its whole answer."""
        headers: Mapping[str, str] = {**example.headers, **self._headers}
        try:
            response = self._client.request(
                example.method, self._prefix + example.path, example.body, headers
            )
            body = bytes(response.read())
        except (OSError, HTTPConnectionClosed, HTTPParseError) as error:
            return Reply("failed", reason=f"no answer: {error or type(error).__name__}")
        status = response.status_code
        if status == OK:
            return Reply("ok", body)
        if status in SHED_STATUSES:
            told = str(response.get("retry-after") or "0")
            wait_s = float(told) if told.isdigit() else 0.0
            return Reply("shed", reason=f"status {status}", wait_s=wait_s)
        shown = body[:_SHOWN_BYTES].decode(errors="replace")
        return Reply("failed", reason=f"status {status}: {shown}")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class GrpcDoor:
    """``latentserve.v1`` and the Open Inference Protocol's service."""

    def __init__(self, target: Target) -> None:
        """Connects with the first call."""
        # Before the first channel of the process, and only where gRPC is wanted.
        import grpc  # noqa: PLC0415  (said above)
        from grpc.experimental.gevent import init_gevent  # noqa: PLC0415  (said above)

        from loadtests import rpc  # noqa: PLC0415  (said above)

        init_gevent()
        self._failure = grpc.RpcError
        self._rpc = rpc
        self._channel = rpc.open_channel(target)
        self._metadata = rpc.metadata(target)

    def send(self, example: Example) -> Reply:
        """One unary call."""
        call = self._rpc.method(self._channel, example.path)
        try:
            return Reply("ok", call(example.body, timeout=TIMEOUT_S, metadata=self._metadata))
        except self._failure as error:
            code, slug, message, wait_s = self._rpc.facts(error)
            if slug in self._rpc.SHED_SLUGS:
                return Reply("shed", reason=f"{code} {slug}", wait_s=wait_s)
            return Reply("failed", reason=f"{code} {slug}: {message}"[:_SHOWN_BYTES])

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

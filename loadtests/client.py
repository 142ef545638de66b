"""The few HTTP requests that are made one at a time, before and after the load.

base URL, path, body → Answer(status, headers, body)
"""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from loadtests.access import OPEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.access import Access

TIMEOUT_S = 30.0
POLL_S = 0.1
OK = 200


class ServerError(RuntimeError):
    """The server does not answer as the load test needs it to; the message is one line."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request(
    host: str,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    access: Access = OPEN,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """Send one request to ``host``, such as ``http://127.0.0.1:3000``.

    Raises:
        ServerError: Nothing answers there, or ``host`` is no HTTP address.
    """
    parts = urlsplit(host)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ServerError(f"{host!r} is no address; give it as http://127.0.0.1:3000")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.netloc, timeout=timeout_s, context=access.context()
        )
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)
    sent = {**(headers or {}), **access.headers()}
    try:
        connection.request(method, parts.path.rstrip("/") + path, body, sent)
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, response.read())
    except (OSError, http.client.HTTPException) as error:
        raise ServerError(f"{method} {host}{path}: {error or type(error).__name__}") from error
    finally:
        connection.close()


def fetch(
    host: str,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    access: Access = OPEN,
) -> Answer:
    """As `request`, for answers that must be 200.

    Raises:
        ServerError: Another status; the message shows the beginning of the answer.
    """
    answer = request(host, method, path, body, headers, access=access)
    if answer.status != OK:
        shown = answer.body[:300].decode(errors="replace")
        raise ServerError(f"{method} {host}{path} gave {answer.status}: {shown}")
    return answer


def wait_ready(host: str, timeout_s: float, alive: object = None, *, access: Access = OPEN) -> None:
    """Poll ``/readyz`` until it is 200.

    Args:
        host: Base URL.
        timeout_s: Give up after so many seconds.
        alive: A process; once it has ended, waiting is pointless.
        access: What the server asks for.

    Raises:
        ServerError: It did not become ready.
    """
    ends = time.monotonic() + timeout_s
    last = "no answer"
    while time.monotonic() < ends:
        poll = getattr(alive, "poll", None)
        if poll is not None and poll() is not None:
            raise ServerError(f"the server ended with status {poll()} before it was ready")
        try:
            answer = request(host, "GET", "/readyz", access=access, timeout_s=2.0)
        except ServerError as error:
            last = str(error)
        else:
            if answer.status == OK:
                return
            last = f"/readyz gave {answer.status}"
        time.sleep(POLL_S)
    raise ServerError(f"{host} was not ready after {timeout_s:.0f} s: {last}")

"""What a request was once it has ended: what metrics, log and trace are told of it.

label, status, slug, seconds, Call → Finished → counted, logged, traced (`service.observer`)

1. Every word in it comes from a table in the code, but for the call's id and caller, which are
   bounded where they come in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inference.errors import ERRORS

if TYPE_CHECKING:
    from inference.call import Call

Protocol = Literal["http", "oip-http", "grpc", "oip-grpc"]
OTHER_METHOD = "_OTHER"
"""A method that HTTP does not define; OpenTelemetry's word for it."""
_METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
)
_OIP_SERVICE = "/inference.GRPCInferenceService/"
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class Finished:
    """One request that has ended.

    Attributes:
        protocol: Which way it came in.
        method: Of HTTP; empty for gRPC.
        route: Its template in the table of routes; of gRPC the full name of its method.
        status: The number of HTTP, the name of gRPC.
        slug: ``ok`` where nothing failed.
        seconds: From its head to its answer.
        call: Its context, with what was measured on the way.
    """

    protocol: Protocol
    method: str
    route: str
    status: int | str
    slug: str
    seconds: float
    call: Call

    @property
    def server_fault(self) -> bool:
        """Whether the server could not do what it should have done, by the error table."""
        if isinstance(self.status, int):
            return self.status >= _SERVER_FAULT
        return self.slug in ERRORS and ERRORS[self.slug].http_status >= _SERVER_FAULT


def http_method(sent: str) -> str:
    """The method, or one word for all that HTTP does not define."""
    return sent if sent in _METHODS else OTHER_METHOD


def grpc_protocol(route: str) -> Protocol:
    """Which of the two protocols over gRPC a method belongs to."""
    return "oip-grpc" if route.startswith(_OIP_SERVICE) else "grpc"

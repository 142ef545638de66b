"""API keys over gRPC: who has none is refused before a message of it is read.

method, metadata → is it health? → key known → the method's own handler, else one that refuses

Knows metadata and no service; which keys there are is `service.access`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from inference.call import Call
from inference.errors import Unauthenticated
from service.access import OPEN_METHODS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from service.access import Access

    Details = Any  # grpc.HandlerCallDetails; gRPC is not typed
    Handler = Any


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # gRPC is not typed
    """Stands before every method of a server, reflection and unknown ones included.

    Args:
        access: The keys.
        refuse: Gives a handler that ends a call of a method with an error.
    """

    def __init__(self, access: Access, refuse: Callable[[str, Unauthenticated], Handler]) -> None:
        """Keep both."""
        self._access = access
        self._refuse = refuse

    async def intercept_service(
        self, continuation: Callable[[Details], Awaitable[Handler]], details: Details
    ) -> Handler:
        """The handler of a call; gRPC reads no message before it has one."""
        try:
            admit_grpc(self._access, Call(), details.method, details.invocation_metadata)
        except Unauthenticated as error:
            return self._refuse(details.method, error)
        return await continuation(details)


def admit_grpc(
    access: Access, call: Call, method: str, metadata: Iterable[tuple[str, str | bytes]] | None
) -> None:
    """Give ``call`` the name and the limit of its key; health needs none.

    Raises:
        Unauthenticated: Keys are asked for, and no known one came.
    """
    if not access.asks or method in OPEN_METHODS:
        return
    sent = dict(metadata or ()).get("authorization", b"")
    access.admit(call, sent.encode() if isinstance(sent, str) else sent)

"""Every failure that a client can be told of: one class per cause, one table for all transports.

    cause → a ServingError's slug → ERRORS → HTTP status, gRPC status, whether to try again

Knows no HTTP library and no gRPC: statuses are plain numbers and names.

1. Every class has one row and every row one class.
2. A message carries the wrong value, the limit and the cure; it is shown to the client as it is.
"""
# ruff: noqa: N818 - the names are the table's slugs, which both wire protocols and the docs show

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


class ErrorRow(NamedTuple):
    """One line of the error table.

    Attributes:
        slug: The machine's word for the cause.
        http_status: The HTTP status code.
        grpc_status: The name of the gRPC status code.
        retry: Whether the same request may succeed later: ``no``, ``yes``, ``maybe``,
            ``smaller`` or ``larger deadline``.
    """

    slug: str
    http_status: int
    grpc_status: str
    retry: str


_ROWS = (
    ErrorRow("invalid_request", 400, "INVALID_ARGUMENT", "no"),
    ErrorRow("invalid_image", 400, "INVALID_ARGUMENT", "no"),
    ErrorRow("unauthenticated", 401, "UNAUTHENTICATED", "no"),
    ErrorRow("unknown_attribute", 404, "NOT_FOUND", "no"),
    ErrorRow("model_not_found", 404, "NOT_FOUND", "no"),
    ErrorRow("route_not_found", 404, "UNIMPLEMENTED", "no"),
    ErrorRow("method_not_allowed", 405, "UNIMPLEMENTED", "no"),
    ErrorRow("not_acceptable", 406, "INVALID_ARGUMENT", "no"),
    ErrorRow("payload_too_large", 413, "INVALID_ARGUMENT", "smaller"),
    ErrorRow("too_many_items", 413, "INVALID_ARGUMENT", "smaller"),
    ErrorRow("unsupported_media_type", 415, "INVALID_ARGUMENT", "no"),
    ErrorRow("shape_mismatch", 422, "INVALID_ARGUMENT", "no"),
    ErrorRow("queue_full", 429, "RESOURCE_EXHAUSTED", "yes"),
    ErrorRow("inference_failed", 500, "INTERNAL", "maybe"),
    ErrorRow("not_ready", 503, "UNAVAILABLE", "yes"),
    ErrorRow("shutting_down", 503, "UNAVAILABLE", "yes"),
    ErrorRow("deadline_exceeded", 504, "DEADLINE_EXCEEDED", "larger deadline"),
)

ERRORS: Mapping[str, ErrorRow] = MappingProxyType({row.slug: row for row in _ROWS})
"""The error table by slug, in the order of the HTTP status."""


class ServingError(Exception):
    """A failure that the client is told of.

    Args:
        message: One or two sentences for the client.
        details: More fields for the error envelope, such as the nearest names.
    """

    slug: ClassVar[str]

    def __init__(self, message: str, *, details: Mapping[str, object] | None = None) -> None:
        """Keep the message and the further fields of the envelope."""
        super().__init__(message)
        self.details: dict[str, object] = dict(details or {})
        self.retry_after_s: float | None = None

    def without_frames(self) -> Self:
        """Itself, and what it came from, without tracebacks: those hold what their frames held.

        For an error that is kept beyond the frame that catches it. One that a client is told of
        tells what it has to in its message; what its frames hold are images and arrays.
        """
        error: BaseException | None = self
        while error is not None:
            error.__traceback__ = None
            error = error.__cause__ or error.__context__
        return self

    @property
    def message(self) -> str:
        """The text for the client."""
        return str(self)

    @property
    def http_status(self) -> int:
        """The HTTP status code of this cause."""
        return ERRORS[self.slug].http_status

    @property
    def grpc_status(self) -> str:
        """The name of the gRPC status code of this cause."""
        return ERRORS[self.slug].grpc_status


class TryLaterError(ServingError):
    """Nothing is wrong with the request; the server cannot take it now.

    Args:
        message: As in `ServingError`.
        retry_after_s: When to come back, in seconds from now.
        details: As in `ServingError`.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float = 1.0,
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Keep the message and the time to come back."""
        super().__init__(message, details=details)
        self.retry_after_s: float = retry_after_s


class InvalidRequest(ServingError):
    """A parameter is missing, of the wrong type or outside its range."""

    slug = "invalid_request"


class InvalidImage(ServingError):
    """The bytes are no image that can be decoded within the limits."""

    slug = "invalid_image"


class Unauthenticated(ServingError):
    """No known API key came with the request."""

    slug = "unauthenticated"


class UnknownAttribute(ServingError):
    """The bundle has no attribute of that name."""

    slug = "unknown_attribute"


class ModelNotFound(ServingError):
    """No model of that name and version is served here."""

    slug = "model_not_found"


class RouteNotFound(ServingError):
    """No such path."""

    slug = "route_not_found"


class MethodNotAllowed(ServingError):
    """The path exists, but not for this method."""

    slug = "method_not_allowed"


class NotAcceptable(ServingError):
    """The answer cannot be given in any media type that the client accepts."""

    slug = "not_acceptable"


class PayloadTooLarge(ServingError):
    """The body has more bytes than the server takes."""

    slug = "payload_too_large"


class TooManyItems(ServingError):
    """One request holds more items than the server ever takes at once."""

    slug = "too_many_items"


class UnsupportedMediaType(ServingError):
    """The body's media type is none that this route reads."""

    slug = "unsupported_media_type"


class ShapeMismatch(ServingError):
    """An array has not the shape or datatype that the model calls for."""

    slug = "shape_mismatch"


class QueueFull(TryLaterError):
    """The queue has no room for the request now."""

    slug = "queue_full"


class InferenceFailed(ServingError):
    """The model's run failed; the cause stands in the server's log under the request id."""

    slug = "inference_failed"


class NotReady(TryLaterError):
    """The server is still warming up."""

    slug = "not_ready"


class ShuttingDown(TryLaterError):
    """The server finishes what it has and takes nothing new."""

    slug = "shutting_down"


class DeadlineExceeded(ServingError):
    """The request's deadline passed before its answer was ready."""

    slug = "deadline_exceeded"

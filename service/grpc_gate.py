"""The door of gRPC: every call of our own services comes in here.

bytes → caller, deadline, request id → message → servicer → message → bytes
                     └ any failure → status by the error table, slug in the trailing metadata

Knows the services' methods by their descriptors, and nothing of latents and tensors. Health and
reflection are not ours and do not pass here.

1. Every call ends in one status and one count; every request of a stream counts as a call.
2. Whatever bytes a caller sends, the status is one of the table, and its slug is sent along.
3. A caller that leaves, or whose deadline passes, cancels its work.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from inference.call import Call
from inference.errors import (
    DeadlineExceeded,
    InvalidRequest,
    PayloadTooLarge,
    RouteNotFound,
    ServingError,
    ShuttingDown,
    Unauthenticated,
)
from service.envelope import told
from service.finished import Finished, grpc_protocol
from service.grpc_access import admit_grpc
from service.grpc_metadata import caller_of, failure_metadata, reply_metadata, shown
from service.grpc_stream import Stopped, in_order
from service.pages import check_ready
from service.telemetry import UNKNOWN_ROUTE
from service.wire import request_id

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Awaitable,
        Callable,
        Generator,
        Mapping,
    )

    from google.protobuf.descriptor import ServiceDescriptor
    from google.protobuf.message import Message

    from inference.graphs import GraphName
    from service.runtime import Runtime

    Answer = Callable[[Any, Call], Awaitable[Message]]
    Context = Any  # grpc.aio.ServicerContext; gRPC is not typed
    Handler = Any  # what gRPC makes of a coroutine function


@dataclass(frozen=True, slots=True)
class Unary:
    """A method that answers one message with one.

    Attributes:
        answer: Does so.
        data: Whether it runs the model, thus waits for readiness.
        graph: Without room in its queue the method can do nothing; None if that depends.
    """

    answer: Answer
    data: bool = True
    graph: GraphName | None = None


@dataclass(frozen=True, slots=True)
class Streamed:
    """A method that answers each message of a stream.

    Attributes:
        answer: Answers one.
        wrap: Makes its answer the stream's message.
        fail: Makes a failure the stream's message; the request is None if it could not be read.
    """

    answer: Answer
    wrap: Callable[[Any], Message]
    fail: Callable[[Any, ServingError], Message]


class Gate:
    """Turns tables of methods into gRPC handlers for one worker."""

    def __init__(self, runtime: Runtime) -> None:
        """Nothing comes in yet."""
        self._runtime = runtime
        self._labels: set[str] = set()
        settings = runtime.settings
        # Enough to fill a batch while the one before it runs, and never more than the queue takes.
        self._at_once = max(1, min(2 * settings.max_batch_size, settings.max_queue_size // 2))

    def handlers(
        self, service: ServiceDescriptor, methods: Mapping[str, Unary | Streamed]
    ) -> Handler:
        """The handlers of a whole service.

        Raises:
            ValueError: ``methods`` are not those of the service.
        """
        known = {method.name: method for method in service.methods}
        if known.keys() != methods.keys():
            raise ValueError(f"{service.full_name} has {sorted(known)}, not {sorted(methods)}")
        made = {}
        for name, method in methods.items():
            label = f"/{service.full_name}/{name}"
            self._labels.add(label)
            request = GetMessageClass(known[name].input_type)
            if isinstance(method, Unary):
                made[name] = grpc.unary_unary_rpc_method_handler(
                    self._unary(label, request, method)
                )
            else:
                made[name] = grpc.stream_stream_rpc_method_handler(
                    self._streamed(label, request, method)
                )
        return grpc.method_handlers_generic_handler(service.full_name, made)

    def unknown(self) -> Handler:
        """A handler of every method that no other handler has; to be added last."""
        gate = self

        class Unknown(grpc.GenericRpcHandler):  # type: ignore[misc]  # gRPC is not typed
            def service(self, details: Any) -> Handler:  # noqa: ANN401  (as above)
                error = RouteNotFound(
                    f"there is no method {details.method[:100]!r}; server reflection lists all "
                    "services"
                )
                return gate.refused(details.method, error)

        return Unknown()

    def _admit(self, context: Context) -> Call:
        """Who calls, under which id."""
        metadata = dict(context.invocation_metadata() or ())
        number = request_id({b"x-request-id": str(metadata.get("x-request-id", "")).encode()})
        call = Call(caller=caller_of(context.peer()), request_id=number)
        self._runtime.observer.arrive(call, metadata)
        return call

    def _check_key(self, call: Call, label: str, context: Context) -> None:
        admit_grpc(self._runtime.access, call, label, context.invocation_metadata())

    def _unary(self, label: str, request: type[Message], method: Unary) -> Handler:
        async def serve(raw: bytes, context: Context) -> bytes:
            started = time.perf_counter()
            call = self._admit(context)
            self._runtime.observer.begin(call, label)
            try:
                self._check_key(call, label, context)
                if method.data:
                    check_ready(self._runtime)
                if method.graph is not None:
                    self._runtime.engine.check_queue_room(method.graph, call)
                async with self._deadline(context.time_remaining(), call):
                    answer = await self._answer(raw, request, method, call)
            except asyncio.CancelledError:
                self._count_left(label, context.time_remaining(), started, call)
                raise
            except Exception as error:
                # gRPC keeps this frame, as said in `_end`.
                del raw
                await self._end(context, told(error, call.request_id), label, started, call)
                raise
            self._count(label, "OK", "ok", started, call)
            context.set_trailing_metadata(reply_metadata(call, self._version(), data=method.data))
            return answer

        return serve

    async def _answer(self, raw: bytes, request: type[Message], method: Unary, call: Call) -> bytes:
        with self._read(raw, request, call.caller) as message:
            return (await method.answer(message, call)).SerializeToString()

    def _streamed(self, label: str, request: type[Message], method: Streamed) -> Handler:
        async def serve(requests: AsyncIterator[bytes], context: Context) -> AsyncGenerator[bytes]:
            started = time.perf_counter()
            call = self._admit(context)
            remaining = context.time_remaining()
            until = None if remaining is None else time.monotonic() + remaining
            number = 0

            async def one(raw: bytes) -> bytes:
                nonlocal number
                mine = replace(call, request_id=f"{call.request_id}/{number}")
                number += 1
                return await self._one(label, request, method, raw, until, mine, context)

            try:
                self._check_key(call, label, context)
                check_ready(self._runtime)
                await context.send_initial_metadata(reply_metadata(call, self._version()))
                answers = in_order(
                    aiter(requests), one, at_once=self._at_once, stop=self._runtime.draining
                )
                async with contextlib.aclosing(answers):
                    async for answer in answers:
                        yield answer
            except Stopped:
                error = ShuttingDown(
                    "this server is shutting down, so the stream ends; what it has read is "
                    "answered, go on with another server",
                    retry_after_s=5.0,
                )
                await self._end(context, error, label, started, call)
            except Exception as error:  # noqa: BLE001  (invariant 2)
                await self._end(context, told(error, call.request_id), label, started, call)

        return serve

    async def _one(  # noqa: PLR0917  (one request's worth, in the order of the flow)
        self,
        label: str,
        request: type[Message],
        method: Streamed,
        raw: bytes,
        until: float | None,
        call: Call,
        context: Context,
    ) -> bytes:
        started = time.perf_counter()
        self._runtime.observer.begin(call, label)
        message = None
        try:
            # Again for each, since a stream may outlive its key.
            self._check_key(call, label, context)
            remaining = None if until is None else until - time.monotonic()
            async with self._deadline(remaining, call):
                with self._read(raw, request, call.caller) as message:
                    answer = method.wrap(await method.answer(message, call))
        except asyncio.CancelledError:
            self._count(label, "CANCELLED", "client_left", started, call)
            raise
        except Exception as error:  # noqa: BLE001  (a failed request does not end its stream)
            shared = told(error, call.request_id)
            self._count(label, shared.grpc_status, shared.slug, started, call)
            return method.fail(message, shared).SerializeToString()
        self._count(label, "OK", "ok", started, call)
        return answer.SerializeToString()

    def refused(self, path: str, error: ServingError) -> Handler:
        """A handler that ends a call of any method with ``error`` and reads nothing."""
        label = path if path in self._labels else UNKNOWN_ROUTE

        async def serve(requests: AsyncIterator[bytes], context: Context) -> None:  # noqa: ARG001  (a handler's signature)
            started = time.perf_counter()
            call = self._admit(context)
            with contextlib.suppress(Unauthenticated):
                self._check_key(call, path, context)
            await self._end(context, error, label, started, call)

        return grpc.stream_stream_rpc_method_handler(serve)

    @contextlib.contextmanager
    def _read(self, raw: bytes, request: type[Message], caller: str) -> Generator[Message]:
        """The message in ``raw``, whose bytes count as held while the context lasts."""
        limit = self._runtime.settings.max_body_bytes
        if len(raw) > limit:
            raise PayloadTooLarge(
                f"the message has {len(raw)} bytes, the limit is {limit} bytes; send smaller or "
                "fewer images, or ask the operator to raise `max_body_bytes`"
            )
        with self._runtime.bodies.lease(caller) as take:
            take(len(raw))
            try:
                message = request.FromString(raw)
            except DecodeError:
                raise InvalidRequest(
                    f"the {len(raw)} bytes are no {request.DESCRIPTOR.full_name}; generate the "
                    "client from this server's .proto file"
                ) from None
            yield message

    @contextlib.asynccontextmanager
    async def _deadline(self, remaining_s: float | None, call: Call) -> AsyncGenerator[None]:
        limit_ms = self._runtime.settings.deadline_ms
        seconds = limit_ms / 1000
        if remaining_s is not None:
            seconds = min(seconds, remaining_s)
        call.deadline = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise DeadlineExceeded(
                f"no answer within {seconds * 1000:.0f} ms; ask for less, or give the call a later "
                f"deadline (at most {limit_ms:g} ms)"
            ) from None

    async def _end(
        self,
        context: Context,
        error: ServingError,
        label: str,
        started: float,
        call: Call,
    ) -> None:
        self._count(label, error.grpc_status, error.slug, started, call)
        metadata = (*reply_metadata(call, self._version()), *failure_metadata(error))
        # gRPC keeps what `abort` raises until the next collection, with this error and the frames
        # of the handler; none of them shall hold an image until then.
        error.without_frames()
        await context.abort(grpc.StatusCode[error.grpc_status], shown(error), metadata)

    def _version(self) -> str | None:
        try:
            return self._runtime.engine.bundle.manifest.version
        except ServingError:
            return None

    def _count_left(
        self, label: str, remaining_s: float | None, started: float, call: Call
    ) -> None:
        if remaining_s is not None and remaining_s <= 0:
            self._count(label, "DEADLINE_EXCEEDED", DeadlineExceeded.slug, started, call)
        else:
            self._count(label, "CANCELLED", "client_left", started, call)

    def _count(self, label: str, status: str, slug: str, started: float, call: Call) -> None:
        seconds = time.perf_counter() - started
        self._runtime.observer.finish(
            Finished(grpc_protocol(label), "", label, status, slug, seconds, call)
        )
        self._runtime.access.count(call, slug)

"""gRPC as bytes: calls whose messages are written and read elsewhere, and the server's reflection.

    Target → channel;  method, message bytes → answer bytes;  reflection → FileDescriptorSet bytes

Knows no message: what a server does not describe, the load test does not ask for. So no code that
was generated from the server's files is needed here, and any deployment can be the target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from loadtests.client import ServerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.access import Target

TIMEOUT_S = 60.0
SHED_SLUGS = frozenset({"queue_full", "not_ready", "shutting_down"})
"""The words of HTTP's 429 and 503."""
_OPTIONS = (
    # Each user has a connection of its own, as real clients have.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)


def open_channel(target: Target) -> grpc.Channel:
    """A channel with a connection of its own; nothing is sent yet.

    Raises:
        OSError: A certificate's file cannot be read.
    """
    if not target.secure:
        return grpc.insecure_channel(target.grpc, _OPTIONS)
    access = target.access
    files = (access.ca, access.certificate_key, access.certificate)
    credentials = grpc.ssl_channel_credentials(*(file and file.read_bytes() for file in files))
    return grpc.secure_channel(target.grpc, credentials, _OPTIONS)


def metadata(target: Target) -> tuple[tuple[str, str], ...]:
    """What every call brings."""
    return tuple(target.access.headers().items())


def method(channel: grpc.Channel, path: str) -> Any:  # noqa: ANN401  (grpc ships no types)
    """The callable of a unary method; takes and gives serialised messages."""
    return channel.unary_unary(path)


def facts(error: grpc.RpcError) -> tuple[str, str, str, float]:
    """Status, slug (empty if the server named none), message and seconds to wait of a failure."""
    trailing = dict(error.trailing_metadata() or ())
    told = str(trailing.get("retry-after", "0"))
    slug = str(trailing.get("x-error-slug", ""))
    return error.code().name, slug, str(error.details()), float(told) if told.isdigit() else 0.0


def ask(target: Target, path: str, body: bytes) -> bytes:
    """One call that must succeed.

    Raises:
        ServerError: It did not.
    """
    with open_channel(target) as channel:
        try:
            answer: bytes = method(channel, path)(
                body, timeout=TIMEOUT_S, metadata=metadata(target)
            )
        except grpc.RpcError as error:
            code, slug, message, _ = facts(error)
            raise ServerError(f"{target.grpc}{path} ended with {code} {slug}: {message}") from error
    return answer


def describe(target: Target, services: Sequence[str]) -> bytes:
    """The files that define ``services``, as a serialised FileDescriptorSet.

    Raises:
        ServerError: Nothing answers there, or it does not describe a service.
    """
    requests = [
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in services
    ]
    found: dict[str, FileDescriptorProto] = {}
    with open_channel(target) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        try:
            answers = stub.ServerReflectionInfo(
                iter(requests), timeout=TIMEOUT_S, metadata=metadata(target)
            )
            for service, answer in zip(services, answers, strict=True):
                files = answer.file_descriptor_response.file_descriptor_proto
                if not files:
                    raise ServerError(
                        f"{target.grpc} does not describe {service}: "
                        f"{answer.error_response.error_message or 'no files'}"
                    )
                for file in map(FileDescriptorProto.FromString, files):
                    found[file.name] = file
        except grpc.RpcError as error:
            code, slug, message, _ = facts(error)
            raise ServerError(f"reflection of {target.grpc}: {code} {slug} {message}") from error
    return FileDescriptorSet(file=found.values()).SerializeToString()

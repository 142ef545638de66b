"""Message classes made from what the server says of itself.

FileDescriptorSet bytes → Messages → class by name, in a descriptor pool of its own
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet


class Messages:
    """The messages of one server; empty if ``described`` is."""

    def __init__(self, described: bytes) -> None:
        """Read a serialised FileDescriptorSet."""
        self._pool = descriptor_pool.DescriptorPool()
        waiting = {file.name: file for file in FileDescriptorSet.FromString(described).file}
        while waiting:
            # A file can be added once those that it imports are there.
            ready = [
                name for name, file in waiting.items() if not waiting.keys() & set(file.dependency)
            ]
            if not ready:
                raise ValueError(f"{', '.join(waiting)} import each other in a circle")
            for name in ready:
                self._pool.Add(waiting.pop(name))

    def new(self, name: str, /, **fields: Any) -> Any:  # noqa: ANN401  (a class made at run time)
        """A message such as ``latentserve.v1.Matrix``.

        Raises:
            KeyError: The server has no such message.
        """
        return self._class(name)(**fields)

    def read(self, name: str, body: bytes) -> Any:  # noqa: ANN401  (a class made at run time)
        """The message in ``body``.

        Raises:
            google.protobuf.message.DecodeError: It is none.
        """
        return self._class(name).FromString(body)

    def _class(self, name: str) -> Any:  # noqa: ANN401  (a class made at run time)
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))

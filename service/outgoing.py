"""A result to be written as a body: on the thread where it came about if that is quick, or after.

render, light → `on_the_way` for the engine … result → body

Knows no format and no transport.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from inference.call import Call
    from inference.engine import Engine
    from inference.results import Then

R = TypeVar("R")
B = TypeVar("B")


class Outgoing(Generic[R, B]):
    """One answer that is not written yet.

    Args:
        render: Writes the body.
        light: Whether that takes no longer than an image takes in a graph.
    """

    def __init__(self, render: Callable[[R], B], *, light: bool) -> None:
        """Nothing is written yet."""
        self._render = render
        self._light = light
        self._bodies: list[B] = []

    @property
    def on_the_way(self) -> Then[R]:
        """What the engine shall do with the result; nothing where that would hold up others."""
        return self._write if self._light else None

    async def body(self, engine: Engine, call: Call, result: R) -> B:
        """The body of ``result``, which the engine gave.

        Raises:
            Exception: Whatever writing it raises.
        """
        if not self._bodies:
            await engine.codec(call, self._write, result)
        return self._bodies[0]

    def _write(self, result: R) -> None:
        self._bodies.append(self._render(result))

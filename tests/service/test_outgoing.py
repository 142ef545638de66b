"""Answers are written once: on the way out if that is quick, else in a codec's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from inference.call import Call
from inference.errors import NotAcceptable
from service.outgoing import Outgoing

if TYPE_CHECKING:
    from inference.engine import Engine


class Codecs:
    """Stands for the engine's threads; notes what came to them."""

    def __init__(self) -> None:
        """Nothing came."""
        self.ran = 0

    async def codec(self, _: Call, function: Any, *arguments: Any) -> Any:
        self.ran += 1
        return function(*arguments)


def text(result: int) -> bytes:
    if result < 0:
        raise NotAcceptable(f"{result} cannot be written")
    return b"%d" % result


async def test_a_light_answer_is_written_on_the_way_and_never_again() -> None:
    engine, answer = Codecs(), Outgoing(text, light=True)
    assert answer.on_the_way is not None
    answer.on_the_way(7)
    assert await answer.body(cast("Engine", engine), Call(), 8) == b"7"
    assert engine.ran == 0


async def test_a_heavy_answer_holds_up_no_graph() -> None:
    engine, answer = Codecs(), Outgoing(text, light=False)
    assert answer.on_the_way is None
    assert await answer.body(cast("Engine", engine), Call(), 8) == b"8"
    assert engine.ran == 1


async def test_what_cannot_be_written_is_told() -> None:
    answer = Outgoing(text, light=False)
    with pytest.raises(NotAcceptable, match="-1 cannot be written"):
        await answer.body(cast("Engine", Codecs()), Call(), -1)

"""Tensors of a request made into arrays, and arrays made into bytes.

name, datatype, shape, content (raw bytes | numbers, flat or nested) → checked → array of that shape
array → little-endian bytes, row-major

Knows datatypes and shapes; knows neither models' meaning nor a transport.

1. A shape is checked against the model's before anything is made of its size.
2. The content has exactly the elements that the shape calls for, or the request is refused.
3. What comes back is aligned, row-major and of the machine's byte order.
"""

from __future__ import annotations

import reprlib
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from inference.errors import InvalidRequest, ShapeMismatch, TooManyItems
from service.oip.models import BATCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from bundle.manifest import TensorSpec

DATATYPES: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype("u1"),
    "FP32": np.dtype("<f4"),
    "INT64": np.dtype("<i8"),
}
GREY_LEVELS = 255
_RANGES = {
    "UINT8": f"0 to {GREY_LEVELS}",
    "FP32": "-3.4e38 to 3.4e38",
    "INT64": "-2**63 to 2**63 - 1",
}
_SHOWN_CHARACTERS = 40
_SHOWN_AXES = 8


class Declared(NamedTuple):
    """What a request says of one tensor.

    Attributes:
        name: Of a tensor that the model has.
        datatype: In the protocol's words.
        shape: Sizes of the axes.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many elements the shape calls for."""
        return prod(self.shape)


def check_declared(tensor: Declared, spec: TensorSpec, max_items: int) -> None:
    """Refuse a tensor that is not what the model takes.

    Args:
        tensor: What the request says.
        spec: What the model takes; -1 is any size.
        max_items: The largest size where any goes.

    Raises:
        ShapeMismatch: Another datatype or shape.
        InvalidRequest: An axis is 0.
        TooManyItems: More than ``max_items`` where any size goes.
    """
    fits = len(tensor.shape) == len(spec.shape) and all(
        size >= 0 if wanted == BATCH else size == wanted
        for size, wanted in zip(tensor.shape, spec.shape, strict=True)
    )
    if tensor.datatype != spec.datatype or not fits:
        raise ShapeMismatch(
            f"tensor {spec.name!r} is {tensor.datatype[:_SHOWN_CHARACTERS]} "
            f"{_shown(tensor.shape)}, but this model takes {spec.datatype} {list(spec.shape)} "
            "(-1 is any number)",
            details={"expected": list(spec.shape)},
        )
    for size, wanted in zip(tensor.shape, spec.shape, strict=True):
        if wanted != BATCH:
            continue
        if size == 0:
            raise InvalidRequest(
                f"tensor {spec.name!r} is empty: {_shown(tensor.shape)}; send at least one item"
            )
        if size > max_items:
            raise TooManyItems(
                f"tensor {spec.name!r} holds {reprlib.repr(size)} items, the limit is {max_items}; "
                "send it in parts, or ask the operator to raise `max_items`",
                details={"limit": max_items},
            )


def from_bytes(tensor: Declared, content: bytes | memoryview) -> NDArray[Any]:
    """The array of raw content, little-endian and row-major.

    Raises:
        InvalidRequest: Not as many bytes as the shape calls for.
    """
    datatype = DATATYPES[tensor.datatype]
    wanted = tensor.elements * datatype.itemsize
    if len(content) != wanted:
        raise InvalidRequest(
            f"tensor {tensor.name!r} has {len(content)} bytes of content, but {tensor.datatype} "
            f"{_shown(tensor.shape)} is {wanted} bytes; send exactly those"
        )
    flat = np.frombuffer(content, datatype).reshape(tensor.shape)
    native = flat.astype(datatype.newbyteorder("="), copy=False)
    return np.require(native, requirements=["C", "ALIGNED"])


def from_numbers(tensor: Declared, content: Iterable[float], count: int) -> NDArray[Any]:
    """The array of ``count`` flat, row-major numbers.

    Raises:
        InvalidRequest: Not as many numbers as the shape calls for, or one is outside the datatype.
    """
    if count != tensor.elements:
        raise InvalidRequest(
            f"tensor {tensor.name!r} has {count} numbers, but its shape {_shown(tensor.shape)} "
            f"calls for {tensor.elements}; send exactly those, in row-major order"
        )
    try:
        if tensor.datatype == "FP32":
            # What is beyond the range becomes infinite, and is refused with its place later on.
            with np.errstate(over="ignore"):
                return (
                    np.fromiter(content, np.float64, count).astype(np.float32).reshape(tensor.shape)
                )
        values = np.fromiter(content, np.int64, count)
    except OverflowError:
        raise _outside(tensor) from None
    if tensor.datatype == "UINT8" and not ((values >= 0) & (values <= GREY_LEVELS)).all():
        raise _outside(tensor)
    native = DATATYPES[tensor.datatype].newbyteorder("=")
    return values.astype(native, copy=False).reshape(tensor.shape)


def from_lists(tensor: Declared, content: object) -> NDArray[Any]:
    """The array of JSON content: a flat list of numbers, or lists nested as the shape is.

    Raises:
        InvalidRequest: Not such lists, or as in `from_numbers`.
    """
    numbers = _flattened(tensor, content)
    allowed = {int, float} if tensor.datatype == "FP32" else {int}
    # By type, since numpy would read "1" and True as numbers and None as NaN.
    if not set(map(type, numbers)) <= allowed:
        wrong = next(value for value in numbers if type(value) not in allowed)
        kind = "numbers" if tensor.datatype == "FP32" else "whole numbers"
        raise InvalidRequest(
            f"tensor {tensor.name!r} holds {reprlib.repr(wrong)}, but {tensor.datatype} data are "
            f"{kind}, flat or nested as the shape {_shown(tensor.shape)} is"
        )
    return from_numbers(tensor, numbers, len(numbers))


def to_bytes(array: NDArray[Any], datatype: str) -> bytes:
    """Raw content of an array, little-endian and row-major."""
    return array.astype(DATATYPES[datatype], copy=False).tobytes()


def brackets(spec: TensorSpec, max_items: int) -> int:
    """The most brackets that JSON content of ``spec`` opens, nested as its shape is."""
    sizes = [max_items if size == BATCH else size for size in spec.shape[:-1]]
    return 1 + sum(prod(sizes[: axis + 1]) for axis in range(len(sizes)))


def _outside(tensor: Declared) -> InvalidRequest:
    return InvalidRequest(
        f"tensor {tensor.name!r} holds a number outside {tensor.datatype}, which goes from "
        f"{_RANGES[tensor.datatype]}; correct it"
    )


def _flattened(tensor: Declared, content: object) -> Sequence[Any]:
    if not isinstance(content, list):
        raise InvalidRequest(
            f"the data of tensor {tensor.name!r} are a JSON {type(content).__name__}, but must be "
            "a list of numbers"
        )
    if not content or not isinstance(content[0], list):
        return content
    level: list[Any] = content
    for axis, inner in enumerate(tensor.shape[1:], start=1):
        if len(level) != prod(tensor.shape[:axis]):
            break
        if not all(isinstance(part, list) and len(part) == inner for part in level):
            break
        level = list(chain.from_iterable(level))
    else:
        return level
    raise InvalidRequest(
        f"the nested data of tensor {tensor.name!r} do not have its shape {_shown(tensor.shape)}; "
        "send lists of just those lengths, or one flat list"
    )


def _shown(shape: Sequence[int]) -> str:
    sizes = [reprlib.repr(size) for size in shape[:_SHOWN_AXES]]
    return f"[{', '.join(sizes)}{', …' if len(shape) > _SHOWN_AXES else ''}]"

"""Arrays on the wire: `.npy` in and out, and the checks that make an array a model's input.

    .npy bytes → header by a strict pattern → declared size = real size → array
    array [N, L] → float32 [N, L], finite;  array [N, H, W, C] → uint8 of the model's shape

Knows nothing of HTTP and of compressed images.

1. Nothing is unpickled or evaluated: the header is matched by a pattern, not parsed as Python.
2. No memory is taken on the word of a header: the bytes that it declares must be there.
"""

from __future__ import annotations

import io
import re
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from inference.errors import InvalidRequest, ShapeMismatch, TooManyItems

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bundle.manifest import ImageSpec

MAX_LATENT = 1e6
"""Latents are standard-normal in scale; a value beyond this is a mistake and could overflow."""

_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 4096
_MAX_AXES = 4
_MAX_AXIS = 2**31 - 1
_ENTRY = (
    r"""\s*['"](?:descr['"]\s*:\s*['"](?P<descr{0}>[^'"]{{1,16}})['"]"""
    r"""|fortran_order['"]\s*:\s*(?P<fortran{0}>True|False)"""
    r"""|shape['"]\s*:\s*\((?P<shape{0}>[0-9, ]{{0,120}})\))\s*"""
)
_HEADER = re.compile(
    r"\s*\{" + ",".join(_ENTRY.format(entry) for entry in range(3)) + r",?\s*\}\s*"
)
_DATATYPES: dict[str, np.dtype[Any]] = {
    "u1": np.dtype(np.uint8),
    "f4": np.dtype(np.float32),
    "f8": np.dtype(np.float64),
}
_ORDERS: dict[str, Literal["<", ">", "="]] = {"<": "<", ">": ">", "=": "=", "|": "="}


def read_npy(data: bytes, *, max_items: int) -> NDArray[Any]:
    """An array from the bytes of an `.npy` file.

    Args:
        data: The whole file, format version 1 to 3, C or Fortran order, either byte order.
        max_items: The largest N of [N, L] and [N, H, W, C]; [H, W, C] and [L] are one item.

    Returns:
        uint8, float32 or float64 in C order, 1 to 4 axes, none of them empty.

    Raises:
        InvalidRequest: Not an `.npy` file, cut short, too long, empty, or it holds objects.
        ShapeMismatch: Another datatype, or too many axes.
        TooManyItems: N is beyond ``max_items``.
    """
    header = _header(data)
    datatype = _datatype(header.descr)
    shape = _shape(header.sizes)
    if len(shape) in {2, 4} and shape[0] > max_items:
        raise TooManyItems(
            f"the array holds {shape[0]} items, the limit is {max_items}; send it in parts, or "
            "ask the operator to raise `max_items`",
            details={"limit": max_items},
        )
    declared, found = prod(shape) * datatype.itemsize, len(data) - header.end
    if declared != found:
        raise InvalidRequest(
            f"the .npy header declares {datatype.name} {list(shape)}, which is {declared} bytes, "
            f"but {found} bytes follow it; the upload was cut short or the header is wrong"
        )
    flat = np.frombuffer(data, datatype, offset=header.end)
    array = flat.reshape(shape, order="F" if header.fortran else "C")
    return np.ascontiguousarray(array, datatype.newbyteorder("="))


def write_npy(array: NDArray[Any]) -> bytes:
    """The `.npy` file of an array, readable without pickle."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def check_latents(array: NDArray[Any], dimension: int) -> NDArray[np.float32]:
    """Latents as the decoder takes them.

    Args:
        array: float32 or float64 [N, L], N at least 1.
        dimension: L, the model's number of latents.

    Returns:
        float32 [N, L] in C order.

    Raises:
        ShapeMismatch: Another shape or datatype.
        InvalidRequest: A value is NaN, infinite or beyond ±1e6; the message names its place.
    """
    if array.dtype.kind != "f" or array.ndim != 2 or array.shape[1] != dimension:  # noqa: PLR2004 - [N, L]
        raise ShapeMismatch(
            f"latents are {array.dtype.name} {list(array.shape)}, but this model takes float32 "
            f"[N, {dimension}]; `GET /v1/model` shows its latent dimension",
            details={"expected": [-1, dimension], "got": list(array.shape)},
        )
    if not len(array):
        raise InvalidRequest(f"no latents: the array is {list(array.shape)}; send at least one row")
    # One comparison that NaN fails too.
    good = np.abs(array) <= MAX_LATENT
    if not good.all():
        row, column = (int(i) for i in np.unravel_index(int(np.argmin(good)), good.shape))
        raise InvalidRequest(
            f"latent {array[row, column]} in row {row}, column {column}: every value must be "
            f"finite and from -{MAX_LATENT:g} to {MAX_LATENT:g}",
            details={"row": row, "column": column},
        )
    return np.ascontiguousarray(array, np.float32)


def latents_from_lists(values: object, dimension: int) -> NDArray[np.float32]:
    """Latents as JSON gives them, a list of N lists of L numbers → float32 [N, L].

    Raises:
        ShapeMismatch: Not a list of lists, or a row has not L values.
        InvalidRequest: A value is no number, or as in `check_latents`.
    """
    if not isinstance(values, list) or not all(isinstance(row, list) for row in values):
        raise ShapeMismatch(
            f"latents must be a list of rows of {dimension} numbers, not "
            f"{_described(values)}; write [[0.1, …]] even for one latent"
        )
    rows = np.empty((len(values), dimension), np.float64)
    for index, row in enumerate(values):
        if len(row) != dimension:
            raise ShapeMismatch(
                f"latents row {index} has {len(row)} values, but this model takes {dimension}; "
                "`GET /v1/model` shows its latent dimension",
                details={"expected": [-1, dimension], "row": index},
            )
        # By type, since numpy would read "1" and True as numbers and None as NaN.
        if not set(map(type, row)) <= {int, float}:
            column = next(i for i, value in enumerate(row) if type(value) not in {int, float})
            raise InvalidRequest(
                f"latents row {index}, column {column} is {_described(row[column])}, "
                "but must be a number",
                details={"row": index, "column": column},
            )
        try:
            rows[index] = row
        except OverflowError:
            raise InvalidRequest(
                f"latents row {index} holds an integer that is too large for a float; every value "
                f"must be from -{MAX_LATENT:g} to {MAX_LATENT:g}",
                details={"row": index},
            ) from None
    return check_latents(rows, dimension)


def check_images(array: NDArray[Any], spec: ImageSpec) -> NDArray[np.uint8]:
    """Images as the encoder takes them: uint8 [N, H, W, C] of the model's own size.

    Raises:
        ShapeMismatch: Another shape or datatype.
        InvalidRequest: N is 0.
    """
    if array.dtype != np.uint8 or array.shape[1:] != spec.shape:
        raise ShapeMismatch(
            f"images are {array.dtype.name} {list(array.shape)}, but this model takes uint8 "
            f"{[-1, *spec.shape]}; grey levels run from 0 to 255",
            details={"expected": [-1, *spec.shape], "got": list(array.shape)},
        )
    if not len(array):
        raise InvalidRequest("no images: send at least one")
    return np.ascontiguousarray(array)


def _described(value: object) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)} values"
    text = repr(value) if isinstance(value, str | None) else type(value).__name__
    return text if len(text) <= 40 else f"{text[:40]}…"  # noqa: PLR2004 - one line of an error


class _Header(NamedTuple):
    descr: str
    fortran: bool
    sizes: str
    end: int


def _header(data: bytes) -> _Header:
    size_bytes = 2 if data[6:7] == b"\x01" else 4
    start = 8 + size_bytes
    if not data.startswith(_MAGIC) or len(data) < start or data[6] not in {1, 2, 3}:
        raise InvalidRequest(
            f"the body is not an .npy file: it begins with {data[:8]!r}, not {_MAGIC!r} and a "
            "format version from 1 to 3; write it with numpy.save"
        )
    length = int.from_bytes(data[8:start], "little")
    if length > _MAX_HEADER_BYTES:
        raise InvalidRequest(
            f"the .npy header has {length} bytes, the limit is {_MAX_HEADER_BYTES}; write a plain "
            "array of one datatype with numpy.save"
        )
    text = data[start : start + length].decode("latin-1")
    found = _HEADER.fullmatch(text)
    groups = found.groupdict() if found else {}
    entries = {name[:-1]: value for name, value in groups.items() if value is not None}
    # Three entries under two names would be a header that says one thing twice.
    if len(entries) != 3:  # noqa: PLR2004 - descr, fortran_order, shape
        raise InvalidRequest(
            f"the .npy header cannot be read: {text.strip()[:80]!r}; write a plain array of one "
            "datatype with numpy.save (pickled objects are never read)"
        )
    return _Header(entries["descr"], entries["fortran"] == "True", entries["shape"], start + length)


def _datatype(descr: str) -> np.dtype[Any]:
    order = _ORDERS.get(descr[0])
    kind = descr if order is None else descr[1:]
    if kind.startswith("O"):
        raise InvalidRequest(
            "the .npy file holds pickled objects, which are never read; convert the array to uint8 "
            "(images) or float32 (latents) first"
        )
    if kind not in _DATATYPES:
        raise ShapeMismatch(
            f"the array's datatype is {descr!r}; send uint8 images or float32 latents",
            details={"expected": ["uint8", "float32", "float64"], "got": descr},
        )
    return _DATATYPES[kind].newbyteorder(order or "=")


def _shape(sizes: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(size) for size in sizes.removesuffix(",").split(",") if sizes.strip())
    except ValueError:
        raise InvalidRequest(f"the .npy header's shape ({sizes}) cannot be read") from None
    if any(size > _MAX_AXIS for size in shape):
        raise InvalidRequest(
            f"the .npy header declares the shape ({sizes}); a side may have {_MAX_AXIS}"
        )
    if not 1 <= len(shape) <= _MAX_AXES:
        raise ShapeMismatch(
            f"the array has {len(shape)} axes; send images [N, H, W, C] or [H, W, C], or latents "
            "[N, L]",
            details={"got": list(shape)},
        )
    if not all(shape):
        raise InvalidRequest(f"the array is empty: its shape is {list(shape)}; send at least one")
    return shape

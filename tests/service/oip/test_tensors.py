"""Tensors: what goes in comes out, and what does not fit is refused before memory is taken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bundle.manifest import TensorSpec
from inference.errors import InvalidRequest, ServingError, ShapeMismatch, TooManyItems
from service.oip.tensors import (
    DATATYPES,
    Declared,
    brackets,
    check_declared,
    from_bytes,
    from_lists,
    from_numbers,
    to_bytes,
)

IMAGE = TensorSpec(name="image", datatype="UINT8", shape=(-1, 2, 2, 3))
ROWS = TensorSpec(name="latent", datatype="FP32", shape=(-1, 4))


def rows(*shape: int, datatype: str = "FP32") -> Declared:
    return Declared("latent", datatype, shape)


@pytest.mark.parametrize(
    ("tensor", "error", "words"),
    [
        (rows(2, 3), ShapeMismatch, r"FP32 \[2, 3\].*takes FP32 \[-1, 4\]"),
        (rows(2, 4, datatype="FP64"), ShapeMismatch, "FP64"),
        (rows(2, 4, datatype="x" * 999), ShapeMismatch, "x{40} "),
        (rows(4), ShapeMismatch, r"\[4\]"),
        (rows(2, 4, 1), ShapeMismatch, r"\[2, 4, 1\]"),
        (rows(), ShapeMismatch, r"\[\]"),
        (rows(*range(100)), ShapeMismatch, "…"),
        (rows(-1, 4), ShapeMismatch, r"\[-1, 4\]"),
        (rows(-(2**63), 4), ShapeMismatch, "-9223"),
        (rows(2, -4), ShapeMismatch, "-4"),
        (rows(0, 4), InvalidRequest, "empty"),
        (rows(9, 4), TooManyItems, "9 items, the limit is 8"),
        (rows(2**63 - 1, 4), TooManyItems, "items"),
    ],
)
def test_a_tensor_that_the_model_does_not_take(
    tensor: Declared, error: type[ServingError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        check_declared(tensor, ROWS, 8)
    assert len(caught.value.message) < 400


def test_a_tensor_that_it_takes() -> None:
    check_declared(rows(8, 4), ROWS, 8)
    check_declared(Declared("image", "UINT8", (1, 2, 2, 3)), IMAGE, 8)


@pytest.mark.parametrize("size", [0, 1, 15, 17, 32])
def test_raw_content_of_another_size(size: int) -> None:
    with pytest.raises(InvalidRequest, match=rf"{size} bytes of content.*is 16 bytes"):
        from_bytes(rows(1, 4), bytes(size))


@given(st.sampled_from(list(DATATYPES)), st.data())
def test_content_comes_back_from_bytes_and_from_lists(datatype: str, data: st.DataObject) -> None:
    native = DATATYPES[datatype]
    elements = arrays.from_dtype(native, allow_nan=False, allow_infinity=False)
    shape = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    array = data.draw(arrays.arrays(native, tuple(shape), elements=elements))
    tensor = Declared("x", datatype, array.shape)
    raw = to_bytes(array, datatype)
    # Behind a head of any length, as over HTTP.
    offset = data.draw(st.integers(0, 9))
    read = from_bytes(tensor, memoryview(bytes(offset) + raw)[offset:])
    nested = from_lists(tensor, array.tolist())
    flat = from_lists(tensor, array.ravel().tolist())
    for found in (read, nested, flat):
        assert found.dtype == array.dtype
        assert np.array_equal(found, array)
        assert found.flags.aligned
        assert found.flags.c_contiguous


@pytest.mark.parametrize(
    "content",
    [
        None,
        3,
        "1234",
        {},
        [],
        [1, 2, 3],
        [[1, 2, 3, 4, 5]],
        [[1, 2, 3, 4], [1, 2, 3, 4]],
        [[1, 2, 3, 4], 5],
        [[[1], [2], [3], [4]]],
        [[1, 2, 3], [4]],
        [1, 2, 3, None],
        [1, 2, 3, "4"],
        [1, 2, 3, True],
        [1, 2, 3, [4]],
        [[1, 2, 3, [4]]],
        [1, 2, 3, 10**400],
    ],
)
def test_lists_that_are_no_such_tensor(content: object) -> None:
    with pytest.raises(InvalidRequest, match="latent"):
        from_lists(rows(1, 4), content)


@pytest.mark.parametrize("value", [-1, 256, 10**30, 1.5, True, "1"])
def test_what_is_no_grey_level(value: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"number|whole"):
        from_lists(Declared("image", "UINT8", (2,)), [0, value])


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 1.0])
def test_what_is_no_int64(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        from_lists(Declared("n", "INT64", (1,)), [value])


def test_numbers_beyond_fp32_become_infinite_and_are_refused_later() -> None:
    assert math.isinf(from_numbers(rows(1), [1e39], 1)[0])
    assert math.isnan(from_numbers(rows(1), [math.nan], 1)[0])


def test_the_brackets_of_nested_data() -> None:
    assert brackets(ROWS, 8) == str(np.zeros((8, 4)).tolist()).count("[")
    assert brackets(IMAGE, 8) == str(np.zeros((8, 2, 2, 3)).tolist()).count("[")
    assert brackets(TensorSpec(name="n", datatype="INT64", shape=(1,)), 8) == 1

"""Arrays on the wire: what numpy writes is read, what lies or hides code is refused."""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bundle.manifest import ImageSpec
from inference import arrays
from inference.errors import InvalidRequest, ServingError, ShapeMismatch, TooManyItems

SPEC = ImageSpec(height=4, width=6, channels=3, resize="box", crop="centre")


def npy(array: np.ndarray, *, version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version)
    return buffer.getvalue()


def with_header(header: str, content: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + length + text + content


@given(
    array=hnp.arrays(
        st.sampled_from(["|u1", "<f4", ">f4", "<f8", ">f8"]),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
        elements={"allow_nan": False},
        fill=st.nothing(),
    ),
    fortran=st.booleans(),
    version=st.sampled_from([(1, 0), (2, 0), (3, 0)]),
)
@settings(deadline=None, max_examples=150)
def test_what_numpy_writes_is_read(
    array: np.ndarray, fortran: bool, version: tuple[int, int]
) -> None:
    stored = np.asfortranarray(array) if fortran else array
    read = arrays.read_npy(npy(stored, version=version), max_items=10)
    assert read.dtype == array.dtype.newbyteorder("=")
    assert read.dtype.isnative
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, array)


@given(array=hnp.arrays(st.sampled_from([np.uint8, np.float32]), (3, 4), elements={}))
@settings(deadline=None, max_examples=30)
def test_what_is_written_numpy_reads(array: np.ndarray) -> None:
    read = np.load(io.BytesIO(arrays.write_npy(array[::-1])), allow_pickle=False)
    np.testing.assert_array_equal(read, array[::-1])


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }",
        '{"descr":"<f4","fortran_order":False,"shape":(1,2)}',
        "{'shape': (1, 2), 'fortran_order': False, 'descr': '<f4'}  \n",
        "{'descr': 'f4', 'fortran_order': True, 'shape': (1, 2,)}",
    ],
)
def test_headers_of_other_writers_are_read(header: str) -> None:
    read = arrays.read_npy(with_header(header, struct.pack("<2f", 1, 2)), max_items=5)
    assert read.tolist() == [[1.0, 2.0]]


def test_objects_and_pickles_are_refused_unopened() -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return pytest.fail, ("a pickle was opened",)

    objects = npy(np.array([Bomb()], dtype=object))
    with pytest.raises(InvalidRequest, match="never read"):
        arrays.read_npy(objects, max_items=5)
    with pytest.raises(InvalidRequest, match=r"not an \.npy file"):
        arrays.read_npy(pickle.dumps(Bomb()), max_items=5)


@pytest.mark.parametrize(
    "datatype", ["int64", "float16", "bool", "complex64", "U3", "datetime64[s]"]
)
def test_other_datatypes_are_named(datatype: str) -> None:
    with pytest.raises(ShapeMismatch, match="uint8 images or float32 latents"):
        arrays.read_npy(npy(np.zeros((1, 2), datatype)), max_items=5)


def test_a_declared_size_is_checked_before_memory_is_taken() -> None:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2000000000, 2000000000)}"
    with pytest.raises(InvalidRequest, match="0 bytes follow"):
        arrays.read_npy(with_header(header), max_items=2_000_000_000)


@pytest.mark.parametrize("cut", [1, 7])
def test_a_file_of_the_wrong_length_is_refused(cut: int) -> None:
    data = npy(np.zeros((2, 3), np.float32))
    for changed in (data[:-cut], data + bytes(cut)):
        with pytest.raises(InvalidRequest, match="24 bytes"):
            arrays.read_npy(changed, max_items=5)


@pytest.mark.parametrize(
    ("shape", "items"), [((6, 2), 6), ((6, 4, 4, 3), 6), ((6, 4, 3), 1), ((6,), 1)]
)
def test_the_items_of_an_array_are_limited(shape: tuple[int, ...], items: int) -> None:
    data = npy(np.zeros(shape, np.uint8))
    assert arrays.read_npy(data, max_items=items).shape == shape
    if items > 1:
        with pytest.raises(TooManyItems, match="6 items, the limit is 5"):
            arrays.read_npy(data, max_items=5)


@pytest.mark.parametrize("shape", [(), (1, 1, 1, 1, 1)])
def test_too_few_or_too_many_axes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeMismatch, match="axes"):
        arrays.read_npy(npy(np.zeros(shape, np.uint8)), max_items=5)


def test_an_empty_array_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        arrays.read_npy(npy(np.zeros((0, 4), np.float32)), max_items=5)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\xff",
        b"\x93NUMPY\x07\x00\x10\x00{}",
        with_header("x" * 5000, version=2),
        with_header("{'descr': '<f4', 'shape': (1, 2)}"),
        with_header("{'descr': '<f4', 'descr': '<f4', 'shape': (1, 2)}"),
        with_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 2)}"),
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2)}"),
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,,2)}"),
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}"),
        with_header("{'descr': '<f4', 'fortran_order': __import__('os'), 'shape': (1, 2)}"),
        with_header("(" * 2000),
    ],
)
def test_damaged_headers_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        arrays.read_npy(data, max_items=5)


@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_mutated_files_give_an_array_or_a_refusal(data: st.DataObject) -> None:
    content = bytearray(npy(np.arange(12, dtype=np.float32).reshape(3, 4)))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        array = arrays.read_npy(bytes(content), max_items=5)
    except ServingError:
        return
    assert 1 <= array.nbytes <= len(content)


def test_latents_pass_as_float32() -> None:
    for datatype in (np.float32, np.float64):
        checked = arrays.check_latents(np.ones((2, 3), datatype)[:, ::-1], 3)
        assert checked.dtype == np.float32
        assert checked.flags.c_contiguous


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 4)), np.zeros(3), np.zeros((1, 1, 3)), np.zeros((2, 3), np.int64)],
)
def test_latents_of_another_shape_or_datatype_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ShapeMismatch, match=r"\[N, 3\]"):
        arrays.check_latents(array, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.1e6, 1e300])
def test_a_latent_that_is_no_sane_number_is_located(value: float) -> None:
    array = np.zeros((3, 3))
    array[1, 2] = value
    with pytest.raises(InvalidRequest, match="row 1, column 2") as refusal:
        arrays.check_latents(array, 3)
    assert refusal.value.details == {"row": 1, "column": 2}


def test_no_latents_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="at least one"):
        arrays.check_latents(np.zeros((0, 3), np.float32), 3)


def test_latents_from_json_rows() -> None:
    checked = arrays.latents_from_lists([[1, 2.5], [-3, 0]], 2)
    np.testing.assert_array_equal(checked, np.array([[1, 2.5], [-3, 0]], np.float32))


@pytest.mark.parametrize(
    "values", [None, 1.0, "text", [1.0, 2.0], [[1.0]], [[1.0, 2.0], [1.0]], {}]
)
def test_json_of_another_shape_is_refused(values: object) -> None:
    with pytest.raises(ShapeMismatch):
        arrays.latents_from_lists(values, 2)


@pytest.mark.parametrize("value", ["1.0", None, True, [1.0], {}, 10**400, float("nan")])
def test_json_that_is_no_number_is_refused_by_its_place(value: object) -> None:
    with pytest.raises(InvalidRequest, match="row 1"):
        arrays.latents_from_lists([[0.0, 0.0], [0.0, value]], 2)


def test_no_json_rows_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="at least one"):
        arrays.latents_from_lists([], 2)


def test_images_of_the_models_shape_pass() -> None:
    assert arrays.check_images(np.zeros((2, 4, 6, 3), np.uint8), SPEC).shape == (2, 4, 6, 3)


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 6, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8), np.zeros((2, 4, 6, 3))],
)
def test_images_of_another_shape_or_datatype_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ShapeMismatch, match=r"uint8 \[-1, 4, 6, 3\]"):
        arrays.check_images(array, SPEC)


def test_no_images_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="at least one"):
        arrays.check_images(np.zeros((0, 4, 6, 3), np.uint8), SPEC)


def test_a_side_beyond_any_array_is_refused() -> None:
    header = (
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999, 1, 1, 1, 1)}"
    )
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with pytest.raises(InvalidRequest, match="a side may have 2147483647"):
        arrays.read_npy(data, max_items=3)

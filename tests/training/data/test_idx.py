"""IDX files: headers are not believed, and no bytes whatever make the parser crash."""

from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.idx import IdxError, parse_idx, read_idx

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


def idx(array: np.ndarray, *, declared: int | None = None) -> bytes:
    shape = (array.shape[0] if declared is None else declared, *array.shape[1:])
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *shape)
    return header + array.tobytes()


def test_reads_what_was_written() -> None:
    found = parse_idx(idx(IMAGES), 3)
    np.testing.assert_array_equal(found.items, IMAGES)
    assert (found.declared, found.extra_bytes) == (3, 0)


@pytest.mark.parametrize("declared", [4, 1000, 2**32 - 1])
def test_header_that_promises_too_much_gives_what_is_there(declared: int) -> None:
    found = parse_idx(idx(IMAGES, declared=declared) + b"\x01\x02", 3)
    np.testing.assert_array_equal(found.items, IMAGES)
    assert (found.declared, found.extra_bytes) == (declared, 2)


def test_header_that_promises_too_little_is_kept_to() -> None:
    found = parse_idx(idx(IMAGES, declared=2), 3)
    np.testing.assert_array_equal(found.items, IMAGES[:2])
    assert found.extra_bytes == 20


@pytest.mark.parametrize(
    ("content", "axes", "message"),
    [
        (b"", 3, "0 bytes"),
        (idx(IMAGES)[:15], 3, "header alone has 16"),
        (b"\x89PNG" + idx(IMAGES), 3, "0x89504e47"),
        (idx(IMAGES), 1, "0x00000803"),
        (struct.pack(">HBB3I", 0, 13, 3, 1, 1, 1) + b"1234", 3, "0x00000d03"),
        (struct.pack(">HBB3I", 0, 8, 3, 5, 0, 4), 3, r"\[0, 4\]"),
        (struct.pack(">HBB3I", 0, 8, 3, 1, 2**31, 2**31), 3, "limit"),
    ],
)
def test_other_bytes_are_refused_with_what_was_found(
    content: bytes, axes: int, message: str
) -> None:
    with pytest.raises(IdxError, match=message):
        parse_idx(content, axes)


@given(st.data())
def test_mutated_bytes_never_crash_and_never_invent_items(data: st.DataObject) -> None:
    content = bytearray(idx(IMAGES))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    ):
        content[place] = value
    cut = data.draw(st.integers(0, len(content)))
    try:
        found = parse_idx(bytes(content[:cut]), 3)
    except IdxError:
        return
    assert found.items.nbytes + found.extra_bytes + 16 == cut
    assert len(found.items) <= found.declared


def test_gzip_is_known_by_its_bytes_and_cut_archives_give_a_part(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8)
    whole = gzip.compress(idx(noise))
    (tmp_path / "whole").write_bytes(whole)
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    np.testing.assert_array_equal(read_idx(tmp_path / "whole", 3).items, noise)
    part = read_idx(tmp_path / "cut", 3)
    assert 0 < len(part.items) < 50
    np.testing.assert_array_equal(part.items, noise[: len(part.items)])


@given(st.integers(0, 200), st.integers(0, 255))
def test_damaged_archive_is_an_idx_error_or_a_part(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    content = bytearray(gzip.compress(idx(np.zeros((40, 4, 4), np.uint8)), mtime=0))
    content[place % len(content)] = value
    path = tmp_path_factory.mktemp("idx") / "images"
    path.write_bytes(content)
    try:
        count = len(read_idx(path, 3).items)
    except IdxError:
        count = 0
    assert 0 <= count <= 40

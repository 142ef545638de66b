"""The EXIF orientation: found where it is, and never a reason to fail."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.orientation import UPRIGHT, orientation

TAG = 0x0112


def tiff(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    """A TIFF header and one directory of (tag, type, count, value)."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    body = b"".join(struct.pack(order + "HHIHH", *entry, 0) for entry in entries)
    return head + struct.pack(order + "H", len(entries)) + body + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("value", range(1, 9))
def test_it_is_found_in_either_byte_order(order: str, prefix: bytes, value: int) -> None:
    exif = tiff((0x010F, 3, 1, 7), (TAG, 3, 1, value), order=order)
    assert orientation(prefix + exif) == value


@pytest.mark.parametrize(
    "exif",
    [
        None,
        b"",
        b"Exif\0\0",
        b"not a TIFF header",
        tiff(),
        tiff((0x010F, 3, 1, 6)),
        tiff((TAG, 3, 1, 0)),
        tiff((TAG, 3, 1, 9)),
        tiff((TAG, 4, 1, 6)),
        tiff((TAG, 3, 2, 6)),
        tiff((TAG, 3, 1, 6))[:15],
        b"II*\0\xff\xff\xff\xff",
    ],
)
def test_anything_odd_means_as_stored(exif: bytes | None) -> None:
    assert orientation(exif) == UPRIGHT


@given(
    st.binary(max_size=64), st.sampled_from([b"", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0\xff\xff"])
)
def test_no_bytes_are_a_reason_to_fail(exif: bytes, header: bytes) -> None:
    assert 1 <= orientation(header + exif) <= 8

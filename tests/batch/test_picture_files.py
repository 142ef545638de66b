"""Names of image files: none leaves the folder, whatever a key is; files are whole or absent."""

from __future__ import annotations

import errno
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batch.picture_files import SUFFIXES, ImageFormat, picture_name, write_picture

FORMATS = st.sampled_from(sorted(SUFFIXES))
KEYS = st.text(st.sampled_from("ab./\\\0\n é%")) | st.text(
    st.characters(exclude_categories=("Cs",))
)


@given(key=KEYS, images=FORMATS)
@example(key="../../etc/passwd", images="png")
@example(key="/", images="png")
def test_no_key_leads_out_of_the_folder(key: str, images: ImageFormat) -> None:
    name = picture_name(key, images)
    path = PurePosixPath(name)
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert "\0" not in name
    assert path.suffix.lower() in SUFFIXES[images]


@pytest.mark.parametrize(
    ("key", "images", "name"),
    [
        ("hats/a.png", "png", "hats/a.png"),
        ("hats/a.PNG", "png", "hats/a.PNG"),
        ("hats/a.jpg", "png", "hats/a.jpg.png"),
        ("a.jpeg", "jpeg", "a.jpeg"),
        ("a", "webp", "a.webp"),
        ("/data//a.png", "png", "data/a.png"),
        ("../a.png", "png", "%2E%2E/a.png"),
    ],
)
def test_names_keep_the_tree(key: str, images: ImageFormat, name: str) -> None:
    assert picture_name(key, images) == name


def test_a_picture_is_written_with_its_folders(tmp_path: Path) -> None:
    assert write_picture(tmp_path, "a/b/c.png", 3, b"content") is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "a/b/c.png"]
    assert (tmp_path / "a/b/c.png").read_bytes() == b"content"


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "taken/a.png"])
def test_a_name_that_cannot_be_is_the_items_failure(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").write_bytes(b"a file")
    failure = write_picture(tmp_path, name, 0, b"content")
    assert failure is not None
    assert failure.slug == "unwritable_file"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken"]


def test_a_full_disk_is_not_the_items_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_picture(tmp_path, "a.png", 0, b"content")
    assert list(tmp_path.iterdir()) == []

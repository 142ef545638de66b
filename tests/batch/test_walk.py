"""The walk over a folder tree: a fixed order, no circle, nothing lost in silence."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from batch.sources.walk import walk

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def fill(root: Path, *keys: str) -> None:
    for key in keys:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(b"")


def test_files_come_in_the_order_of_names(tmp_path: Path) -> None:
    fill(tmp_path, "b/2", "b/1", "a", "c", "b/0/x", "é", ".hidden", ".git/config")
    assert [entry.key for entry in walk(tmp_path)] == ["a", "b/0/x", "b/1", "b/2", "c", "é"]


def test_a_folder_that_leads_in_a_circle_is_told_of_and_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, "a/b/x")
    (tmp_path / "a/b/circle").symlink_to(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a/b/x")
    circle, x, link = walk(tmp_path)
    assert circle.failure is not None
    assert (circle.key, circle.failure.slug) == ("a/b/circle/", "linked_folder")
    assert str(tmp_path / "a") in circle.failure.message
    assert (x.key, x.failure, link.key, link.failure) == ("a/b/x", None, "link", None)


def test_a_folder_that_cannot_be_listed_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "a/x", "b/x", "c/x")
    scandir = os.scandir

    def forbidden(folder: str) -> Any:
        if folder.endswith(f"{os.sep}b"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", forbidden)
    found = {entry.key: entry.failure for entry in walk(tmp_path)}
    assert list(found) == ["a/x", "b/", "c/x"]
    failure = found["b/"]
    assert failure is not None
    assert failure.slug == "unreadable_file"
    assert "Permission denied" in failure.message


def test_folders_may_be_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "a/x", "a/b/x", "c/x")
    assert [entry.key for entry in walk(tmp_path, lambda key: key != "a/b")] == ["a/x", "c/x"]


def test_a_name_that_is_no_text_can_be_written_down(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\xff")).write_bytes(b"")
    (entry,) = walk(tmp_path)
    assert entry.key == "a\\xff"
    assert os.path.exists(entry.path)  # noqa: PTH110 - the path is a str with a surrogate

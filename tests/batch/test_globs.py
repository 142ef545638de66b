"""Patterns over keys, and which folders are worth a look."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.sources.globs import is_pattern, matches, may_lead, split_pattern, walks_into

NAMES = st.sampled_from(["a", "b", "a.png", "b.jpg"])
PARTS = st.sampled_from(["a", "*", "**", "a*", "?", "*.png", "[ab]"])


@pytest.mark.parametrize(
    ("key", "pattern", "fits"),
    [
        ("a.png", "*.png", True),
        ("x/a.png", "*.png", False),
        ("a.png", "**/*.png", True),
        ("x/y/a.png", "**/*.png", True),
        ("x/y/a.png", "x/**/a.png", True),
        ("x/a.png", "x/**/a.png", True),
        ("x/y/z/a.png", "x/*/a.png", False),
        ("x/y/a.jpg", "**", True),
        ("x/a.png", "[xy]/?.png", True),
        ("X/a.png", "x/*.png", False),
    ],
)
def test_a_pattern_fits_whole_keys(key: str, pattern: str, *, fits: bool) -> None:
    assert matches(key, pattern) is fits


@given(names=st.lists(NAMES, min_size=1, max_size=4), parts=st.lists(PARTS, min_size=1, max_size=4))
@settings(max_examples=300)
def test_no_folder_of_a_key_that_fits_is_passed(names: list[str], parts: list[str]) -> None:
    key, pattern = "/".join(names), "/".join(parts)
    if matches(key, pattern):
        for depth in range(1, len(names)):
            assert may_lead("/".join(names[:depth]), pattern)


def test_folders_that_lead_nowhere_are_passed() -> None:
    assert not may_lead("x/y", "x/*.png")
    assert not may_lead("y", "x/**")


def test_a_pattern_begins_at_its_first_wildcard() -> None:
    assert is_pattern("a/*.png")
    assert not is_pattern("a/b.png")
    assert split_pattern("photos/2024/**/*.jpg") == (Path("photos/2024"), "**/*.jpg")
    assert split_pattern("*.jpg") == (Path(), "*.jpg")


def test_a_walk_comes_into_some_folders(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    assert walks_into(root, "**", root)
    assert walks_into(root, "**", root / "out")
    assert not walks_into(root, "*.png", root / "out")
    assert not walks_into(root / "in", "**", root / "out")

"""Patterns over keys: ``*``, ``?`` and ``[…]`` within a name, ``**`` for any number of folders.

    photos/**/*.jpg → root photos, pattern **/*.jpg → key hats/a.jpg: yes or no

The library's own `glob` follows links to folders and gives no order; the walk is ours.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path

_MAGIC = frozenset("*?[")


def is_pattern(text: str) -> bool:
    """Whether ``text`` holds anything but a plain path."""
    return not _MAGIC.isdisjoint(text)


def split_pattern(text: str) -> tuple[Path, str]:
    """The folder before the first name with a wildcard, and the rest."""
    parts = Path(text).parts
    first = next(index for index, part in enumerate(parts) if is_pattern(part))
    return Path(*parts[:first]), "/".join(parts[first:])


def matches(key: str, pattern: str) -> bool:
    """Whether the whole key fits the pattern."""
    return _fits(tuple(key.split("/")), tuple(pattern.split("/")))


def may_lead(folder: str, pattern: str) -> bool:
    """Whether a key below ``folder`` may fit the pattern."""
    names, wanted = folder.split("/"), pattern.split("/")
    for name, part in zip(names, wanted, strict=False):
        if part == "**":
            return True
        if not fnmatch.fnmatchcase(name, part):
            return False
    return len(names) < len(wanted)


def walks_into(root: Path, pattern: str, folder: Path) -> bool:
    """Whether a walk from ``root`` for ``pattern`` would come into ``folder``, an absolute path."""
    if not folder.is_relative_to(root.resolve()):
        return False
    key = folder.relative_to(root.resolve()).as_posix()
    return key == "." or may_lead(key, pattern)


def _fits(names: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    # Row by row, as the shortest way through a table: which beginnings of the names fit so far.
    reached = {0}
    for part in parts:
        if part == "**":
            reached = set(range(min(reached), len(names) + 1))
        else:
            reached = {
                place + 1
                for place in reached
                if place < len(names) and fnmatch.fnmatchcase(names[place], part)
            }
        if not reached:
            return False
    return len(names) in reached

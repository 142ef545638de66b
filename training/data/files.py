"""The files of a folder, listed before any of them is opened.

    folder → files inside it, links checked → {key: path}, sorted by key

1. No file outside the folder is ever listed: links that leave it are counted instead.
2. The order is that of the sorted keys, on every machine.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from training.data.report import ProblemLog

IMAGE_SUFFIXES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jfif",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".tga",
        ".avif",
    ]
)
OUTSIDE = "link or name that leaves the folder"
LINKED_FOLDER = "link to a folder (not followed)"
NOT_AN_IMAGE = "file that is not an image"
LISTLESS = "folder that cannot be listed"


def image_files(
    root: Path, log: ProblemLog, *, known: frozenset[str] = frozenset()
) -> dict[str, Path]:
    """Image files below ``root`` by key, sorted; hidden files and those in ``known`` are passed.

    Args:
        root: The folder.
        log: Counts what is not an image, and links that are not followed.
        known: Keys of files that have another meaning (``metadata.csv``).
    """
    return files_below(root, IMAGE_SUFFIXES, log, other=NOT_AN_IMAGE, known=known)


def files_below(
    root: Path,
    suffixes: frozenset[str],
    log: ProblemLog,
    *,
    other: str,
    known: frozenset[str] = frozenset(),
) -> dict[str, Path]:
    """Files below ``root`` with one of ``suffixes``; others are counted as ``other``."""
    inside = root.resolve()
    found: dict[str, Path] = {}
    for key in file_keys(inside, log):
        path = inside / key
        if key in known:
            continue
        if path.suffix.lower() not in suffixes:
            log.add(other, key)
        elif path.is_symlink() and not is_inside(inside, path):
            log.add(OUTSIDE, key)
        else:
            found[key] = path
    return dict(sorted(found.items()))


def is_inside(root: Path, path: Path) -> bool:
    """Whether ``path``, with its links followed, lies in the folder ``root``."""
    return path.resolve().is_relative_to(root.resolve())


def has_file(root: Path, name: str, log: ProblemLog) -> bool:
    """Whether ``root`` holds the file ``name``; a link that leaves the folder is counted."""
    path = root / name
    if path.is_file() and not is_inside(root, path):
        log.add(OUTSIDE, name)
        return False
    return path.is_file()


def file_keys(root: Path, log: ProblemLog) -> Iterator[str]:
    """Paths of all files below ``root``, relative and with ``/``; hidden ones are passed.

    Links to folders are counted and not followed.
    """
    inside = root.resolve()

    def unlistable(error: OSError) -> None:
        log.add(LISTLESS, f"{error.filename}: {error.strerror}")

    for folder, folders, files in os.walk(inside, onerror=unlistable):
        relative = os.path.relpath(folder, inside)
        prefix = "" if relative == "." else relative.replace(os.sep, "/") + "/"
        for name in folders:
            if (inside / prefix / name).is_symlink() and not name.startswith("."):
                log.add(LINKED_FOLDER, prefix + name)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if not name.startswith("."):
                yield prefix + name

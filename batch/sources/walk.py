"""The files of a folder tree, one folder's names in memory at a time.

    folder → (key, path) of each file, in the order of names; what cannot be listed is an entry, too

Knows no kind of file; opens none.

1. Names are sorted within each folder, and a folder comes where its name does: the order is the
   same on every machine.
2. Links to folders are not followed, so that no walk is endless; hidden names are passed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch.items import LINKED_FOLDER, UNREADABLE_FILE, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, or a folder that cannot be walked.

    Attributes:
        key: Its path below the root, with ``/``; a folder's ends in one.
        path: The same for the system.
        failure: Why a folder cannot be walked.
    """

    key: str
    path: str
    failure: Failure | None = None


def walk(root: Path, descend: Callable[[str], bool] = lambda _: True) -> Iterator[Entry]:
    """All files below ``root``.

    Args:
        root: A folder.
        descend: Whether to go into the folder of this key (``hats/old``).
    """
    stack = [_names(str(root), "")]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
        elif isinstance(found, Entry):
            yield found
        elif descend(found.name):
            stack.append(_names(found.path, found.name + "/"))


@dataclass(frozen=True, slots=True)
class _Folder:
    name: str
    path: str


def _names(folder: str, prefix: str) -> Iterator[Entry | _Folder]:
    try:
        with os.scandir(folder) as listed:
            names = sorted(
                (entry.name, entry.is_dir(), entry.is_symlink())
                for entry in listed
                if not entry.name.startswith(".")
            )
    except OSError as error:
        failure = Failure(
            UNREADABLE_FILE,
            f"the folder cannot be listed: {error.strerror}; permit it or remove it",
        )
        yield Entry(_text(prefix) or "/", folder, failure)
        return
    for name, is_folder, is_link in names:
        key, path = prefix + name, f"{folder}{os.sep}{name}"
        if not is_folder:
            yield Entry(_text(key), path)
        elif is_link:
            failure = Failure(
                LINKED_FOLDER,
                f"the link to the folder {os.path.realpath(path)} is not followed, as it may lead "
                "in a circle; give that folder as a job of its own",
            )
            yield Entry(_text(key) + "/", path, failure)
        else:
            yield _Folder(key, path)


def _text(name: str) -> str:
    """A name as Parquet can hold it: bytes that are no UTF-8 are written out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")

"""The list of image files of a folder, before any of them is read.

    folder → files inside it, links checked → Index(files [N], keys [N], labels bool [N, A])

1. No file outside the folder is ever listed: links that leave it are counted instead.
2. The order is that of the sorted keys, on every machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

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


@dataclass(frozen=True)
class Index:
    """Image files and what is known of them before they are opened.

    Attributes:
        files: N paths.
        keys: N unique names: paths relative to the folder, with ``/``.
        attributes: A names.
        labels: bool [N, A].
    """

    files: tuple[Path, ...]
    keys: tuple[str, ...]
    attributes: tuple[str, ...]
    labels: NDArray[np.bool_]

    def take(self, places: NDArray[np.intp]) -> Index:
        """The files at ``places``, in that order."""
        return Index(
            tuple(self.files[place] for place in places),
            tuple(self.keys[place] for place in places),
            self.attributes,
            self.labels[places],
        )


def image_files(root: Path, log: ProblemLog, *, known: frozenset[str]) -> dict[str, Path]:
    """Image files below ``root`` by key, sorted; hidden files and those in ``known`` are passed.

    Args:
        root: The folder.
        log: Counts what is not an image, and links that are not followed.
        known: Keys of files that have another meaning (``metadata.csv``).
    """
    inside = root.resolve()
    found: dict[str, Path] = {}

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
            key = prefix + name
            if name.startswith(".") or key in known:
                continue
            path = inside / key
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                log.add(NOT_AN_IMAGE, key)
            elif path.is_symlink() and not path.resolve().is_relative_to(inside):
                log.add(OUTSIDE, key)
            else:
                found[key] = path
    return dict(sorted(found.items()))

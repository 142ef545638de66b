"""A folder of images with a table: ``metadata.csv``, ``file_name`` and attribute columns.

    metadata.csv + image files → rows matched to files → Index(files [N], labels bool [N, A])

A file name may be relative to the folder, or be the bare name of a file in one of its folders.
Rows without an image and images without a row are counted, and left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.data.index import OUTSIDE, Index, image_files
from training.data.packed import METADATA, NO_IMAGE, NO_ROW
from training.data.table import DUPLICATE, read_table

if TYPE_CHECKING:
    from pathlib import Path

    from training.data.report import ProblemLog

KEY_COLUMNS = ("file_name", "filename", "file", "key", "image_id")


def has_metadata(path: Path) -> bool:
    """Whether ``path`` is a folder with a table of attributes."""
    return (path / METADATA).is_file()


def index_metadata(root: Path, log: ProblemLog, *, known: frozenset[str]) -> Index:
    """Match the rows of ``root/metadata.csv`` with the images below ``root``.

    Raises:
        DataError: The table cannot be read or has no column of file names.
    """
    table = read_table(root / METADATA, KEY_COLUMNS, log)
    files = image_files(root, log, known=known)
    by_name: dict[str, list[str]] = {}
    for key in files:
        by_name.setdefault(key.rpartition("/")[2], []).append(key)
    matched: dict[str, int] = {}
    for row, name in enumerate(table.keys):
        plain = name.replace("\\", "/").removeprefix("./")
        if plain.startswith("/") or ".." in plain.split("/"):
            log.add(OUTSIDE, name)
            continue
        candidates = [plain] if plain in files else by_name.get(plain, [])
        if len(candidates) != 1:
            why = "no such image file" if not candidates else f"{len(candidates)} files of the name"
            log.add(NO_IMAGE, f"{name}: {why}")
        elif candidates[0] in matched:
            log.add(DUPLICATE, name)
        else:
            matched[candidates[0]] = row
    for key in files.keys() - matched.keys():
        log.add(NO_ROW, key)
    keys = sorted(matched)
    rows = [matched[key] for key in keys]
    return Index(
        tuple(files[key] for key in keys), tuple(keys), table.attributes, table.labels[rows]
    )

"""A folder of images with a table: ``metadata.csv`` or ``metadata.jsonl``.

    table (file_name, attributes) + image files → rows matched to files → Index

A file name may be relative to the folder, or be the bare name of a file in one of its folders.
Rows without an image and images without a row are counted, and left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.data.files import OUTSIDE, has_file, image_files
from training.data.index import FilePictures, Index
from training.data.json_lines import read_json_lines
from training.data.packed import METADATA, NO_IMAGE, NO_ROW
from training.data.table import DUPLICATE, KEY_COLUMNS, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from training.data.report import ProblemLog

JSON_LINES = "metadata.jsonl"
SECOND_TABLE = "second table of attributes (not read)"


def metadata_file(path: Path, log: ProblemLog) -> Path | None:
    """The table of attributes in the folder ``path``; CSV wins over JSON lines."""
    found = [path / name for name in (METADATA, JSON_LINES) if has_file(path, name, log)]
    for second in found[1:]:
        log.add(SECOND_TABLE, second.name)
    return found[0] if found else None


def index_metadata(root: Path, file: Path, log: ProblemLog, *, known: frozenset[str]) -> Index:
    """Match the rows of the table ``file`` with the images below ``root``.

    Raises:
        DataError: The table cannot be read or has no column of file names.
    """
    if file.name == JSON_LINES:
        table = read_json_lines(file, log)
    else:
        table = read_table(file, KEY_COLUMNS, log)
    files = image_files(root, log, known=known)
    matched = match_rows(table.keys, files, log)
    keys = sorted(matched)
    rows = [matched[key] for key in keys]
    return Index(
        FilePictures(tuple(files[key] for key in keys)),
        tuple(keys),
        table.attributes,
        table.labels[rows],
        layout=f"images with {file.name}",
    )


def match_rows(names: Sequence[str], files: Mapping[str, Path], log: ProblemLog) -> dict[str, int]:
    """Key of a file → the row whose name is its key or its bare name; the rest is counted."""
    by_name: dict[str, list[str]] = {}
    for key in files:
        by_name.setdefault(key.rpartition("/")[2], []).append(key)
    matched: dict[str, int] = {}
    for row, name in enumerate(names):
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
    for key in sorted(files.keys() - matched.keys()):
        log.add(NO_ROW, key)
    return matched

"""From what the user wrote to a source: by what lies there.

IN → folder | pattern | file.parquet | file.csv → Source, or why it is none

A job's own output folder may be the next one's input.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from batch.errors import BatchError
from batch.shards import JOB_FILE, ROWS_FOLDER
from batch.sources.csv_file import CsvSource
from batch.sources.files import IMAGE_SUFFIXES, FileSource
from batch.sources.globs import is_pattern, split_pattern
from batch.sources.parquet import open_parquet
from batch.sources.walk import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batch.sources.source import Source, Takes


def open_source(
    given: str, takes: Sequence[Takes], *, column: str | None = None, key: str | None = None
) -> Source:
    """The source that ``given`` names.

    Args:
        given: A folder, a file of Parquet or CSV, or a pattern with ``*``, ``?``, ``[…]``, ``**``.
        takes: What the operation takes.
        column: The table's column of images, paths or latents; found by name and type if None.
        key: The table's column of keys; ``key`` if there is one, else file and row, or the path.

    Raises:
        BatchError: Nothing is there, or nothing that the operation takes.
    """
    path = Path(given)
    suffix = path.suffix.lower()
    if path.is_dir():
        if (path / JOB_FILE).is_file() and (path / ROWS_FOLDER).is_dir():
            path /= ROWS_FOLDER
        if _holds_parquet(path):
            return open_parquet(path, "**/*.parquet", given, takes, column=column, key=key)
        _check_files(given, takes, column, key)
        return FileSource(path, given)
    if path.is_file() and suffix == ".csv":
        _check_images(given, takes)
        return CsvSource(path, given, column=column, key=key)
    if path.is_file() and suffix == ".parquet":
        return open_parquet(path.parent, path.name, given, takes, column=column, key=key)
    if path.exists():
        raise BatchError(
            f"{given} is a file of no kind that is read here; give a folder, a quoted pattern, or "
            "a file that ends in .parquet or .csv"
        )
    if not is_pattern(given):
        raise BatchError(f"{given} does not exist; give a folder, a file or a quoted pattern")
    root, pattern = split_pattern(given)
    if suffix == ".parquet":
        return open_parquet(root, pattern, given, takes, column=column, key=key)
    _check_files(given, takes, column, key)
    return FileSource(root, given, pattern=pattern)


def _check_files(given: str, takes: Sequence[Takes], column: str | None, key: str | None) -> None:
    _check_images(given, takes)
    if column or key:
        raise BatchError(f"{given} holds files, which have no columns; leave out --column, --key")


def _check_images(given: str, takes: Sequence[Takes]) -> None:
    if "images" not in takes:
        raise BatchError(
            f"this operation takes latents, and {given} can only hold images; give Parquet with a "
            "column of lists of numbers"
        )


def _holds_parquet(folder: Path) -> bool:
    """Whether the first file that could be worked on is Parquet."""
    ends = (PurePosixPath(entry.key).suffix.lower() for entry in walk(folder))
    return (
        next((end for end in ends if end == ".parquet" or end in IMAGE_SUFFIXES), "") == ".parquet"
    )

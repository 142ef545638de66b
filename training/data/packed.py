"""A packed image set: one array and one table in a folder, as the drawn faces are kept.

    images.npy uint8 [N, H, W, C] · metadata.csv (key, attributes) · dataset.json ↔ Index

1. Row i of the table is image i of the array.
2. The array is mapped, not loaded, and never unpickled.
3. A packed folder appears by one rename: a drawing that was broken off leaves none.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.data.dataset import DataError
from training.data.files import has_file
from training.data.index import ArrayPictures, Index
from training.data.rows import IMAGE_DIMENSIONS, take
from training.data.table import read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from training.data.report import ProblemLog

IMAGES = "images.npy"
METADATA = "metadata.csv"
DESCRIPTION = "dataset.json"
KEY = "key"
NO_ROW = "image without a row"
NO_IMAGE = "row without an image"


def is_packed(path: Path, log: ProblemLog) -> bool:
    """Whether ``path`` is a folder that `write_packed` wrote."""
    return has_file(path, IMAGES, log) and has_file(path, METADATA, log)


def write_packed(
    path: Path,
    *,
    images: NDArray[np.uint8],
    keys: Sequence[str],
    attributes: Sequence[str],
    labels: NDArray[np.bool_],
    name: str,
    licence: str,
) -> None:
    """Write ``images`` uint8 [N, H, W, C] and ``labels`` bool [N, A] as the folder ``path``.

    Raises:
        DataError: ``path`` exists and is not an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DataError(f"{path} exists already; choose another folder or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    height, width = images.shape[1:3]
    description = {"name": name, "licence": licence, "height": height, "width": width}
    try:
        np.save(staging / IMAGES, images, allow_pickle=False)
        write_table(staging / METADATA, KEY, keys, attributes, labels)
        (staging / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", "utf-8")
        staging.chmod(0o755)
        staging.rename(path)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def read_packed(path: Path, log: ProblemLog) -> Index:
    """Map a packed folder; rows beyond the images and images beyond the rows are counted.

    Raises:
        DataError: The array is not uint8 [N, H, W, C], is cut short, or the table has no key.
    """
    try:
        images = np.load(path / IMAGES, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path / IMAGES} cannot be read ({error}); write the set again") from error
    if (
        not isinstance(images, np.ndarray)
        or images.dtype != np.uint8
        or images.ndim != IMAGE_DIMENSIONS
        or images.shape[3] not in (1, 3)
        or 0 in images.shape[1:3]
    ):
        found = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else "an archive"
        raise DataError(f"{path / IMAGES} is {found}, but must be uint8 [N, H, W, 1 or 3]")
    table = read_table(path / METADATA, (KEY,), log)
    inside = [row for row, place in enumerate(table.places) if place < len(images)]
    chosen = [table.places[row] for row in inside]
    if len(inside) < len(table.keys):
        log.add(NO_IMAGE, table.keys[len(inside)], len(table.keys) - len(inside))
    if len(chosen) < len(images):
        found = f"{len(images)} images, {len(table.keys)} rows"
        log.add(NO_ROW, found, len(images) - len(chosen))
    return Index(
        ArrayPictures(take(images, np.array(chosen, np.intp)), (path / IMAGES,)),
        tuple(table.keys[row] for row in inside),
        table.attributes,
        table.labels[inside],
        layout="a packed set",
    )

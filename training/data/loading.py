"""A folder in any known layout → one `Dataset`.

    path → layout → Index → (limit) → fitted into memory, or into a cache on disk → Dataset

1. Nothing that is wrong with one item stops the reading: it is counted, and left out.
2. Only an empty result is an error.
3. Memory: without a cache the images at the model's size, with one a few batches of them; in both
   cases one decoded picture per thread, and the names and labels of all items.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from training.data import progress
from training.data.cache import cached_images
from training.data.celeba import find_celeba, index_celeba
from training.data.dataset import DataError, Dataset
from training.data.files import has_file
from training.data.fitting import fitted
from training.data.folders import index_folders
from training.data.idx_folder import image_parts, read_idx_folder
from training.data.index import ArrayPictures
from training.data.metadata import JSON_LINES, index_metadata, metadata_file
from training.data.packed import DESCRIPTION, METADATA, is_packed, read_packed
from training.data.parquet import has_parquet, index_parquet
from training.data.report import ProblemLog
from training.data.rows import take
from training.data.split import assign, subset

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bundle.manifest import ImageSpec
    from training.data.index import Index

_KNOWN = frozenset({METADATA, JSON_LINES, DESCRIPTION})
_MAX_DESCRIPTION = 1 << 20
"""Bytes of ``dataset.json``."""


def load(
    path: Path,
    image: ImageSpec,
    *,
    limit: int | None = None,
    cache: Path | None = None,
    progress: progress.Progress = progress.silent,
) -> Dataset:
    """Read the image set in the folder ``path`` at the size that ``image`` says.

    Args:
        path: A packed set, IDX files, CelebA, images with a table, Parquet files, or a folder of
            folders.
        image: Size, channels, crop rule and filter of the model.
        limit: Take at most so many items, chosen by a hash of their keys.
        cache: A folder for fitted images, which are then mapped from there instead of being held
            in memory; the next reading of an unchanged set finds them.
        progress: Called with (items done, items in all).

    Raises:
        DataError: The folder is missing, or nothing in it can be used, or the cache cannot be
            written.
    """
    if limit is not None and limit < 1:
        raise DataError(f"a limit of {limit} items leaves nothing; give at least 1")
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}; give the folder of an image set")
    log = ProblemLog()
    index = _index(path, log)
    name, licence = _describe(path, index, log)
    chosen = subset(index.keys, limit)
    pictures = index.pictures
    if isinstance(pictures, ArrayPictures) and pictures.images.shape[1:] == image.shape:
        images, kept = take(pictures.images, chosen), np.ones(len(chosen), np.bool_)
    elif cache is None:
        images, kept = _in_memory(index, chosen, image, log, progress)
    else:
        images, kept = cached_images(cache, path, index, chosen, image, log=log, report=progress)
    places = chosen[kept]
    if not len(places):
        raise DataError(
            f"{path} holds no image that can be read. Expected are CelebA, Parquet or IDX files, "
            f"images with {METADATA} or {JSON_LINES}, a folder for each class, or what "
            "`latentserve data draw-faces` wrote."
            + (f" Found:\n{log.freeze()}" if log.freeze().total else "")
        )
    return Dataset(
        name=name,
        licence=licence,
        images=images,
        keys=tuple(index.keys[place] for place in places),
        attributes=index.attributes,
        labels=index.labels[places],
        # Of the whole set, so that a limit moves nothing from one part to another.
        splits=assign(index.keys, index.parts)[places],
        problems=log.freeze(),
        layout=index.layout,
    )


def _index(path: Path, log: ProblemLog) -> Index:
    if is_packed(path, log):
        return read_packed(path, log)
    if image_parts(path):
        return read_idx_folder(path, log)
    celeba = find_celeba(path, log)
    if celeba is not None:
        return index_celeba(celeba, log)
    table = metadata_file(path, log)
    if table is not None:
        return index_metadata(path, table, log, known=_KNOWN)
    if has_parquet(path):
        return index_parquet(path, log, known=_KNOWN)
    return index_folders(path, log, known=_KNOWN)


def _describe(path: Path, index: Index, log: ProblemLog) -> tuple[str, str]:
    """Name and licence: as ``dataset.json`` says, else as the layout does, else the folder's."""
    name, licence = index.name or path.resolve().name, index.licence or "not stated"
    if not has_file(path, DESCRIPTION, log):
        return name, licence
    try:
        with (path / DESCRIPTION).open("rb") as file:
            said = json.loads(file.read(_MAX_DESCRIPTION))
        name, licence = str(said.get("name", name)), str(said.get("licence", licence))
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        log.add("description that cannot be read", f"{DESCRIPTION}: {error}")
    return name, licence


def _in_memory(
    index: Index,
    places: NDArray[np.intp],
    spec: ImageSpec,
    log: ProblemLog,
    report: progress.Progress,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Images uint8 [K, H, W, C] that could be read, and which of ``places`` they are, bool [M]."""
    images = np.empty((len(places), *spec.shape), np.uint8)
    kept = np.zeros(len(places), np.bool_)
    done = count = 0
    for good, found in fitted(index, places, spec, log):
        images[count : count + len(found)] = found
        kept[done : done + len(good)] = good
        done, count = done + len(good), count + len(found)
        report(done, len(places))
    return images[:count], kept

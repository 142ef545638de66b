"""A folder in any known layout → one `Dataset`.

    path → layout → arrays or list of files → (limit) → threads: fit → Dataset [N, H, W, C]

1. Nothing that is wrong with one item stops the reading: it is counted, and left out.
2. Only an empty result is an error.
3. Memory: the images at the model's size, and one decoded picture per thread.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from training.data import fit, progress
from training.data.dataset import DataError, Dataset
from training.data.folders import index_folders
from training.data.idx_folder import ArraySet, image_parts, read_idx_folder
from training.data.metadata import has_metadata, index_metadata
from training.data.packed import DESCRIPTION, METADATA, is_packed, read_packed
from training.data.report import ProblemLog
from training.data.split import assign, subset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from bundle.manifest import ImageSpec
    from training.data.index import Index

UNREADABLE = "image that cannot be read"
MAX_THREADS = 8
_CHUNK = 64
_KNOWN = frozenset({METADATA, DESCRIPTION})


def load(
    path: Path,
    image: ImageSpec,
    *,
    limit: int | None = None,
    progress: progress.Progress = progress.silent,
) -> Dataset:
    """Read the image set in the folder ``path`` at the size that ``image`` says.

    Args:
        path: A packed set, IDX files, images with ``metadata.csv``, or a folder of folders.
        image: Size, channels, crop rule and filter of the model.
        limit: Take at most so many items, chosen by a hash of their keys.
        progress: Called with (items done, items in all).

    Raises:
        DataError: The folder is missing, or nothing in it can be used.
    """
    if limit is not None and limit < 1:
        raise DataError(f"a limit of {limit} items leaves nothing; give at least 1")
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}; give the folder of an image set")
    log = ProblemLog()
    name, licence = _describe(path, log)
    source = _list(path, log)
    chosen = subset(source.keys, limit)
    images, kept = _fit_all(source, chosen, image, log, progress)
    places = chosen[kept]
    keys = tuple(source.keys[place] for place in places)
    if not keys:
        raise DataError(
            f"{path} holds no image that can be read. Expected are IDX files, images with "
            f"{METADATA}, a folder for each class, or what `latentserve data draw-faces` wrote."
            + (f" Found:\n{log.freeze()}" if log.freeze().total else "")
        )
    return Dataset(
        name=name,
        licence=licence,
        images=images,
        keys=keys,
        attributes=source.attributes,
        labels=source.labels[places],
        splits=assign(keys),
        problems=log.freeze(),
    )


def _list(path: Path, log: ProblemLog) -> ArraySet | Index:
    if is_packed(path):
        packed = read_packed(path, log)
        table = packed.table
        return ArraySet(packed.images, table.keys, table.attributes, table.labels)
    if image_parts(path):
        return read_idx_folder(path, log)
    if has_metadata(path):
        return index_metadata(path, log, known=_KNOWN)
    return index_folders(path, log, known=_KNOWN)


def _describe(path: Path, log: ProblemLog) -> tuple[str, str]:
    """Name and licence from ``dataset.json``; the folder's name where it says nothing."""
    name, licence = path.resolve().name, "not stated"
    try:
        said = json.loads((path / DESCRIPTION).read_text("utf-8"))
        name, licence = str(said.get("name", name)), str(said.get("licence", licence))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, AttributeError) as error:
        log.add("description that cannot be read", f"{DESCRIPTION}: {error}")
    return name, licence


def _fit_all(
    source: ArraySet | Index,
    chosen: NDArray[np.intp],
    spec: ImageSpec,
    log: ProblemLog,
    report: Callable[[int, int], None],
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Images uint8 [K, H, W, C] of the ``chosen`` items that could be read; which: bool [M]."""
    if isinstance(source, ArraySet) and source.images.shape[1:] == spec.shape:
        whole = len(chosen) == len(source.images)
        images = source.images if whole else source.images[chosen]
        return images, np.ones(len(chosen), np.bool_)
    images = np.empty((len(chosen), *spec.shape), np.uint8)
    kept = np.zeros(len(chosen), np.bool_)

    def fill(start: int) -> None:
        for row in range(start, min(start + _CHUNK, len(chosen))):
            place = chosen[row]
            try:
                if isinstance(source, ArraySet):
                    images[row] = fit.fit_array(source.images[place], spec)
                else:
                    images[row] = fit.read_image(source.files[place], spec)
                kept[row] = True
            # Pillow's decoders raise whatever a broken file leads them to (SyntaxError,
            # struct.error, IndexError, …); none of it may end the reading of the others.
            except Exception as error:  # noqa: BLE001  (see above)
                detail = f"{source.keys[place]}: {error or type(error).__name__}"
                log.add(UNREADABLE, detail.replace("\n", " "))

    starts = range(0, len(chosen), _CHUNK)
    threads = min(MAX_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="read-images") as pool:
        for done, _ in enumerate(pool.map(fill, starts), start=1):
            report(min(done * _CHUNK, len(chosen)), len(chosen))
    return (images if kept.all() else images[kept]), kept

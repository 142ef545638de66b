"""Fitted images kept in a mapped file, for sets that are larger than memory.

    Index, places [M], spec → key → <cache>/<key>/images.u8, entry.json → mapped uint8 [K, H, W, C]

The key is a hash of the source's path, the size and time of its files, the chosen items and the
image specification: whatever changes, other images are looked for, and fitted anew.

1. A folder of the cache appears by one rename, after its bytes are on the disk: one that a killed
   process was writing is never read, and written again from its start.
2. Two processes never fit the same set at the same time: the second waits, then reads.
3. Only the images and what was wrong with them is kept; labels come from the source each time.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from typing import TYPE_CHECKING

import numpy as np
import PIL
from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from training.data.dataset import DataError
from training.data.fitting import fitted
from training.data.report import Problem, ProblemLog, Problems

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

    from bundle.manifest import ImageSpec
    from training.data.index import Index
    from training.data.progress import Progress

VERSION = 1
"""Counts up when images are fitted differently or kept in another form."""
IMAGES = "images.u8"
ENTRY = "entry.json"


class CacheEntry(BaseModel):
    """What lies in a folder of the cache (``entry.json``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: tuple[int, int, int, int]
    lost: tuple[int, ...]
    problems: tuple[Problem, ...]


def cached_images(
    cache: Path,
    source: Path,
    index: Index,
    places: NDArray[np.intp],
    spec: ImageSpec,
    *,
    log: ProblemLog,
    report: Progress,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The images at ``places``, which ascend, from the cache; fitted into it if need be.

    Returns:
        uint8 [K, H, W, C], mapped and read-only, and which of the M places they are, bool [M].

    Raises:
        DataError: The cache cannot be written.
    """
    key = cache_key(source, index, places, spec)
    folder = cache / key
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{key}.lock"):
            entry = _entry(folder, len(places), spec.shape)
            if entry is None:
                shutil.rmtree(folder, ignore_errors=True)
                entry = _write(folder, index, places, spec, report)
            images = _mapped(folder, entry)
    except OSError as error:
        size = len(places) * math.prod(spec.shape) / 1e9
        raise DataError(
            f"the cache {cache} cannot be used: {error}; give a folder with {size:.2f} GB free"
        ) from error
    log.merge(Problems(entry.problems))
    kept = np.ones(len(places), np.bool_)
    kept[list(entry.lost)] = False
    return images, kept


def cache_key(source: Path, index: Index, places: NDArray[np.intp], spec: ImageSpec) -> str:
    """A name for these images: 32 hexadecimal digits."""
    digest = hashlib.sha256()

    def take(line: str) -> None:
        digest.update(line.encode("utf-8", "surrogateescape") + b"\0")

    take(f"{VERSION} Pillow {PIL.__version__}")
    take(spec.model_dump_json())
    take(str(source.resolve()))
    for line in index.pictures.state(places):
        take(line)
    for place in places:
        take(index.keys[place])
    return digest.hexdigest()[:32]


def _write(
    folder: Path, index: Index, places: NDArray[np.intp], spec: ImageSpec, report: Progress
) -> CacheEntry:
    """Fit the images at ``places`` beside ``folder``, then give the result its name."""
    staging = folder.with_name(f"{folder.name}.writing")
    shutil.rmtree(staging, ignore_errors=True)  # of a process that was killed
    staging.mkdir()
    log = ProblemLog()
    lost: list[int] = []
    done = count = 0
    try:
        with (staging / IMAGES).open("wb") as file:
            for kept, images in fitted(index, places, spec, log):
                file.write(images.data)
                lost += (done + np.flatnonzero(~kept)).tolist()
                done, count = done + len(kept), count + len(images)
                report(done, len(places))
            _to_disk(file)
        entry = CacheEntry(shape=(count, *spec.shape), lost=tuple(lost), problems=log.freeze().rows)
        with (staging / ENTRY).open("w", encoding="utf-8") as text:
            text.write(entry.model_dump_json())
            _to_disk(text)
        staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return entry


def _entry(folder: Path, items: int, shape: tuple[int, int, int]) -> CacheEntry | None:
    """What ``folder`` holds; None if that is not the wanted images, whole."""
    try:
        entry = CacheEntry.model_validate_json((folder / ENTRY).read_bytes())
        size = (folder / IMAGES).stat().st_size
    except (OSError, ValueError):
        return None
    whole = size == math.prod(entry.shape) and entry.shape[0] + len(entry.lost) == items
    inside = all(0 <= row < items for row in entry.lost)
    return entry if whole and inside and entry.shape[1:] == shape else None


def _mapped(folder: Path, entry: CacheEntry) -> NDArray[np.uint8]:
    if not entry.shape[0]:  # nothing can be mapped
        return np.empty(entry.shape, np.uint8)
    return np.memmap(folder / IMAGES, np.uint8, mode="r", shape=entry.shape)


def _to_disk(file: IO[bytes] | IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())

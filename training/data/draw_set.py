"""A whole set of drawn faces, drawn by several processes and packed for training.

count, seed → indices in chunks → processes → images uint8 [N, H, W, 3], labels [N, A] → folder
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from training.data.drawn import ATTRIBUTES, LICENCE, draw, labels, random_face
from training.data.packed import write_packed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

CHUNK = 100


def draw_faces(
    path: Path,
    *,
    count: int,
    size: int,
    seed: int,
    processes: int,
    progress: Callable[[int, int], object],
) -> None:
    """Draw ``count`` faces of ``size`` × ``size`` pixels and pack them into ``path``.

    The same seed gives the same set, whatever the number of processes; a larger set begins
    with the smaller one. ``progress`` is called with (faces drawn, faces in all).
    """
    starts = range(0, count, CHUNK)
    chunks = [(seed, start, min(start + CHUNK, count), size) for start in starts]
    images = np.empty((count, size, size, 3), np.uint8)
    truth = np.empty((count, len(ATTRIBUTES)), np.bool_)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for (_, start, end, _), (drawn, seen) in zip(
            chunks, pool.map(_draw_chunk, chunks), strict=True
        ):
            images[start:end], truth[start:end] = drawn, seen
            progress(end, count)
    write_packed(
        path,
        images=images,
        keys=tuple(f"face-{seed}-{index:06d}" for index in range(count)),
        attributes=ATTRIBUTES,
        labels=truth,
        name="drawn-faces",
        licence=LICENCE,
    )


def _draw_chunk(
    chunk: tuple[int, int, int, int],
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    seed, start, end, size = chunk
    faces = [random_face(seed, index) for index in range(start, end)]
    return np.stack([draw(face, size) for face in faces]), np.array([labels(f) for f in faces])

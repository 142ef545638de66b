"""Pictures of an index → images of the model's size, in order, by several threads.

    Index, places [M] → chunks of pictures → threads: fit → (kept bool [c], uint8 [k, H, W, C])

Knows neither where pictures come from nor where images go.

1. Nothing that is wrong with one picture stops the others: it is counted, and left out.
2. Chunks come in order. Only a few are under way at a time, and each is bounded in bytes, so
   memory does not grow with the set.
"""

from __future__ import annotations

import math
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from training.data import fit
from training.data.index import LostPicture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from bundle.manifest import ImageSpec
    from training.data.index import Index, Picture
    from training.data.report import ProblemLog

    Chunk = tuple[NDArray[np.bool_], NDArray[np.uint8]]

UNREADABLE = "image that cannot be read"
MAX_THREADS = 8
MAX_CHUNK = 64
CHUNK_BYTES = 4 << 20
"""Of fitted images, and of pictures that are still encoded."""


def fitted(
    index: Index, places: NDArray[np.intp], spec: ImageSpec, log: ProblemLog
) -> Iterator[Chunk]:
    """The images at ``places``, which ascend, chunk by chunk.

    Yields:
        Which of the next pictures could be read, bool [c], and their images uint8 [k, H, W, C].
    """
    threads = min(MAX_THREADS, os.cpu_count() or 1)

    def fit_chunk(chunk: list[tuple[str, Picture]]) -> Chunk:
        images = np.empty((len(chunk), *spec.shape), np.uint8)
        kept = np.zeros(len(chunk), np.bool_)
        count = 0
        for row, (key, picture) in enumerate(chunk):
            if isinstance(picture, LostPicture):
                log.add(UNREADABLE, f"{key}: {picture.why}")
                continue
            try:
                images[count] = fit.fit_picture(picture, spec)
            # Pillow's decoders raise whatever a broken file leads them to (SyntaxError,
            # struct.error, IndexError, …); none of it may end the reading of the others.
            except Exception as error:  # noqa: BLE001  (see above)
                detail = f"{key}: {error or type(error).__name__}"
                log.add(UNREADABLE, detail.replace("\n", " "))
            else:
                kept[row] = True
                count += 1
        return kept, images[:count]

    with ThreadPoolExecutor(threads, thread_name_prefix="read-images") as pool:
        waiting: deque[Future[Chunk]] = deque()
        for chunk in _chunks(index, places, spec):
            waiting.append(pool.submit(fit_chunk, chunk))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _chunks(
    index: Index, places: NDArray[np.intp], spec: ImageSpec
) -> Iterator[list[tuple[str, Picture]]]:
    """Keys and pictures, so many at a time as `MAX_CHUNK` and `CHUNK_BYTES` allow."""
    size = max(1, min(MAX_CHUNK, CHUNK_BYTES // math.prod(spec.shape)))
    chunk: list[tuple[str, Picture]] = []
    held = 0
    for place, picture in zip(places, index.pictures.read(places), strict=True):
        chunk.append((index.keys[place], picture))
        held += len(picture) if isinstance(picture, bytes) else 0
        if len(chunk) == size or held >= CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk

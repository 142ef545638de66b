"""Items in: what a source gave becomes the array that the engine takes, or a failure.

    file | bytes → `inference.images` → uint8 [H, W, C], or the picture uint8 [h, w, c]
    latent of any float [L] → float32 [L], finite

The same functions as behind the server's routes; here is no preprocessing.

1. A file is read only if it is a regular one, and never beyond the limit.
2. Whatever the content is, the outcome is an array or a `Failure`.
"""

from __future__ import annotations

import io
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from batch.items import UNREADABLE_FILE, Failure
from inference import images
from inference.arrays import check_latents
from inference.errors import InvalidRequest, PayloadTooLarge, ServingError

if TYPE_CHECKING:
    from pathlib import Path

    from batch.items import Content
    from bundle.manifest import Manifest

Loaded = NDArray[Any] | Failure


@dataclass(frozen=True)
class Loader:
    """Loads items for one model.

    Attributes:
        manifest: The model's.
        limits: Of an image's pixels.
        max_image_bytes: Of a compressed image.
        whole: Whether images keep their own size (``detail``).
    """

    manifest: Manifest
    limits: images.ImageLimits
    max_image_bytes: int
    whole: bool = False

    def __call__(self, content: Content) -> Loaded:
        """The array, or why there is none."""
        return self.read(self.fetch(content))

    def fetch(self, content: Content) -> bytes | Loaded:
        """What there is of it without decoding: a file's bytes, a latent, or a failure."""
        try:
            if isinstance(content, Failure):
                return content
            if isinstance(content, np.ndarray):
                return self._latent(content)
            data = content if isinstance(content, bytes) else self._read(content)
            if isinstance(data, bytes):
                self._check_bytes(len(data))
        except ServingError as error:
            return Failure.of(error)
        return data

    def read(self, fetched: bytes | Loaded) -> Loaded:
        """The array of what was fetched, or why there is none."""
        if not isinstance(fetched, bytes):
            return fetched
        try:
            if self.whole:
                return images.read(fetched, self.limits)
            return images.decode(fetched, self.manifest.image, self.limits)
        except ServingError as error:
            return Failure.of(error)

    def _latent(self, content: NDArray[Any]) -> NDArray[np.float32]:
        checked: NDArray[np.float32] = check_latents(content[None], self.manifest.latent.dimension)[
            0
        ]
        return checked

    def _read(self, path: Path) -> bytes | Failure:
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise InvalidRequest(
                    f"{path} is no file but a {_kind(found.st_mode)}; leave it out"
                )
            self._check_bytes(found.st_size)
            # Without a buffer: of thousands of small files it costs as much as reading them.
            with io.FileIO(path) as file:
                # Not up to the limit: room for that would be taken, and given back, for each file.
                return file.read(found.st_size + 1)
        # A NUL in a path is a ValueError.
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            return Failure(UNREADABLE_FILE, f"{path} cannot be read: {why}; permit or correct it")

    def _check_bytes(self, count: int) -> None:
        if count > self.max_image_bytes:
            raise PayloadTooLarge(
                f"the image has more than {self.max_image_bytes} bytes ({count}); shrink it, or "
                "raise --max-image-bytes"
            )


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")

"""Image files that a job writes: their names, and how they get there whole.

key → name below OUT/images → bytes to a hidden file → renamed

Knows no codec.

1. No name leaves the folder, whatever the key is.
2. A file that was begun and not finished is hidden, and taken for the same item again.
"""

from __future__ import annotations

import contextlib
import errno
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from batch.items import UNWRITABLE_FILE, Failure

if TYPE_CHECKING:
    from pathlib import Path

ImageFormat = Literal["png", "webp", "jpeg"]
SUFFIXES: dict[ImageFormat, tuple[str, ...]] = {
    "png": (".png",),
    "webp": (".webp",),
    "jpeg": (".jpg", ".jpeg"),
}
"""What files of a format are called; the first is what is added to other names."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NAME_FAULTS = frozenset(
    (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ)
)
"""What a name can be refused for; all else is wrong with the disk and stops the job."""


def picture_name(key: str, images: ImageFormat) -> str:
    """Where an item's image lies below the folder of images: its key, with the format's suffix.

    ``hats/a.png`` stays itself as PNG, ``hats/a.jpg`` becomes ``hats/a.jpg.png``.

    Returns:
        A relative path with ``/`` that leads nowhere upwards.
    """
    parts = ["%2E%2E" if part == ".." else part for part in key.split("/") if part not in {"", "."}]
    name = _CONTROL.sub(lambda found: f"%{ord(found[0]):02X}", "/".join(parts)) or "%"
    if PurePosixPath(name).suffix.lower() in SUFFIXES[images]:
        return name
    return name + SUFFIXES[images][0]


def write_picture(folder: Path, name: str, number: int, content: bytes) -> Failure | None:
    """Write one image whole; a name that this file system cannot hold is the item's failure.

    Args:
        folder: All images of the job.
        name: From `picture_name`.
        number: The item's, so that no two threads write one hidden file.
        content: The file.

    Raises:
        OSError: The disk is full or may not be written.
    """
    target = folder / name
    hidden = target.with_name(f".{number}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden.write_bytes(content)
        hidden.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            hidden.unlink()
        if error.errno not in _NAME_FAULTS and not isinstance(error, FileExistsError):
            raise
        return Failure(
            UNWRITABLE_FILE,
            f"the key makes no file name here: {error.strerror} ({len(name)} characters); "
            "shorten it, or leave out --images",
        )
    return None

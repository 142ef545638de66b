"""One item of a job: what came in, before anything is decoded.

source → Item(number, key, stamp, content) → `batch.loading` → array | Failure

Knows no file format.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from inference.errors import ServingError

UNREADABLE_FILE = "unreadable_file"
"""Slug of a file or folder that cannot be read; the server's table has none, it opens no files."""
LINKED_FOLDER = "linked_folder"
"""Slug of a link to a folder, which is not followed: it may lead in a circle."""
UNWRITABLE_FILE = "unwritable_file"
"""Slug of an item whose key makes no file name here."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item has no result.

    Attributes:
        slug: The machine's word: one of the server's error table, or of this module.
        message: The wrong value, the limit and the cure.
    """

    slug: str
    message: str

    @classmethod
    def of(cls, error: ServingError) -> Failure:
        """The failure that a server would have told its client of."""
        return cls(error.slug, error.message)


Content = Path | bytes | NDArray[Any] | Failure
"""A compressed image's file, its bytes, a latent [L], or why there is none."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item in its place.

    Attributes:
        number: Its place in the job, from 0.
        key: What it is called in the output.
        stamp: Changes when its file changes.
        content: What it consists of.
    """

    number: int
    key: str
    stamp: str
    content: Content

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that its content takes while it waits."""
        content = self.content
        if isinstance(content, bytes):
            return len(content)
        return content.nbytes if isinstance(content, np.ndarray) else 0

"""The one contract between readers of image sets and everything that learns from them.

    any layout on disk → Dataset(images uint8 [N, H, W, C], labels bool [N, A], splits int8 [N])

1. Row i of images, keys, labels and splits is the same item.
2. Keys are unique; attribute names are unique, lower-case ASCII.
3. Images have the model's size already; nothing is read from disk file by file in an epoch.
4. Images may lie in a mapped file larger than memory: ask for batches of rows, never for all.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from training.data.rows import IMAGE_DIMENSIONS, take
from training.data.split import Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.report import Problems
    from training.data.rows import Images


class DataError(ValueError):
    """The folder holds nothing that can be trained on; the message says what was found."""


@dataclass(frozen=True)
class Dataset:
    """A whole image set, in memory or mapped from one file.

    Attributes:
        name: What cards and manifests call it.
        licence: Under which the images may be used; "not stated" if the folder does not say.
        images: uint8 [N, H, W, C]: an array, or rows of one that are read when asked for. It has
            ``len``, ``shape`` and ``dtype``; a number, slice or array as index gives an array.
        keys: N unique names: relative path, or "train/00017".
        attributes: A names.
        labels: bool [N, A], row i belongs to image i.
        splits: int8 [N], values of `Split`.
        problems: What was not read.
        layout: As what the folder was read; empty if the set came from no folder.
    """

    name: str
    licence: str
    images: Images
    keys: tuple[str, ...]
    attributes: tuple[str, ...]
    labels: NDArray[np.bool_]
    splits: NDArray[np.int8]
    problems: Problems
    layout: str = ""

    def __post_init__(self) -> None:
        """Check invariants 1 and 2."""
        count = len(self.images)
        if len(self.images.shape) != IMAGE_DIMENSIONS or self.images.dtype != np.uint8:
            raise ValueError(
                f"images must be uint8 [N, H, W, C], not {self.images.dtype} {self.images.shape}"
            )
        labels = (count, len(self.attributes))
        if (len(self.keys), self.labels.shape, self.splits.shape) != (count, labels, (count,)):
            raise ValueError(
                f"{count} images do not agree with {len(self.keys)} keys, labels "
                f"{self.labels.shape} (wanted {labels}) and splits {self.splits.shape}"
            )
        if len(set(self.keys)) != count:
            raise ValueError("keys must be unique")

    def __len__(self) -> int:
        """N, the number of items."""
        return len(self.images)

    def part(self, *splits: Split) -> Dataset:
        """The items of these parts, in their order; problems stay those of the whole set.

        Images are not copied: the part reads its rows of the whole set when asked for them.
        """
        places = np.flatnonzero(np.isin(self.splits, splits))
        return replace(
            self,
            images=take(self.images, places),
            keys=tuple(self.keys[place] for place in places),
            labels=self.labels[places],
            splits=self.splits[places],
        )

    def summary(self) -> str:
        """Some lines for a person: size, parts, how often each attribute is there, problems."""
        height, width, channels = self.images.shape[1:]
        parts = ", ".join(
            f"{int((self.splits == split).sum())} {split.name.lower()}" for split in Split
        )
        size = f"{height}×{width}×{channels}"
        lines = [
            f"{self.name}: {len(self)} images of {size} ({parts}), licence: {self.licence}",
        ]
        if self.layout:
            lines.append(f"read as: {self.layout}")
        if self.attributes:
            counts = self.labels.sum(axis=0)
            shown = zip(self.attributes, counts, strict=True)
            lines.append("attributes: " + ", ".join(f"{name} {count}" for name, count in shown))
        if self.problems.rows:
            lines += ["not read as it stands:", str(self.problems)]
        return "\n".join(lines)


def attribute_name(text: str) -> str:
    """``T-Shirt`` → ``t_shirt``: lower-case ASCII letters, digits and _; may come out empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")

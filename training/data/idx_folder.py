"""A folder of IDX files: images and labels paired by name, each class one boolean attribute.

    train-images-idx3-ubyte[.gz] + train-labels-idx1-ubyte[.gz], t10k-… → Index [N, H, W]

Lying headers, images without a label and labels without an image are counted.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from training.data.dataset import DataError
from training.data.files import is_inside
from training.data.idx import IdxArray, IdxError, read_idx
from training.data.index import ArrayPictures, Index

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from training.data.report import ProblemLog

FASHION = (
    "t_shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle_boot",
)  # fmt: skip
"""Names of Fashion-MNIST's classes, by number."""

LYING_HEADER = "item that an IDX header promises and the file lacks"
EXTRA_BYTES = "IDX file with bytes beyond what its header promises"
BAD_FILE = "IDX file that cannot be read"
NO_LABEL = "image without a label"
NO_IMAGE = "label without an image"

_NAME = re.compile(
    r"^(?P<part>.*?)[-._]?(?P<what>images|labels)[-.]idx(?P<axes>[13])[-.]ubyte(\.gz)?$",
    re.IGNORECASE,
)


def image_parts(path: Path) -> dict[str, Path]:
    """IDX image files of ``path`` by their part ("train", "t10k"); unzipped ones win."""
    return _parts(path, "images")


def read_idx_folder(path: Path, log: ProblemLog) -> Index:
    """Read every pair of images and labels in ``path``.

    Raises:
        DataError: No pair can be read, or the pairs hold images of several sizes.
    """
    labels_by_part = _parts(path, "labels")
    images, classes, keys = [], [], []
    names = _key_prefixes(image_parts(path))
    for part, file in image_parts(path).items():
        pair = _read_pair(file, labels_by_part.get(part), log)
        if pair is not None:
            images.append(pair[0])
            classes.append(pair[1])
            keys += [f"{names[part]}/{number:05d}" for number in range(len(pair[0]))]
    if not images:
        raise DataError(f"no IDX file of images in {path} can be read:\n{log.freeze()}")
    sizes = {array.shape[1:] for array in images}
    if len(sizes) > 1:
        raise DataError(f"the IDX files in {path} hold images of several sizes: {sorted(sizes)}")
    numbers = np.concatenate(classes)
    known = np.unique(numbers[numbers >= 0])
    return Index(
        ArrayPictures(np.concatenate(images), tuple(image_parts(path).values())),
        tuple(keys),
        _class_names(path, known),
        numbers[:, None] == known[None, :],
        layout="IDX files",
    )


def _read_pair(
    images_file: Path, labels_file: Path | None, log: ProblemLog
) -> tuple[NDArray[np.uint8], NDArray[np.int16]] | None:
    """Images uint8 [N, H, W] and the class of each, -1 where there is none."""
    images = _read(images_file, 3, log)
    if images is None:
        return None
    classes = np.full(len(images.items), -1, np.int16)
    if labels_file is None:
        log.add(NO_LABEL, f"{images_file.name} has no file of labels", len(classes))
        return images.items, classes
    labels = _read(labels_file, 1, log)
    found = np.empty(0, np.uint8) if labels is None else labels.items
    common = min(len(found), len(classes))
    classes[:common] = found[:common]
    if common < len(classes):
        log.add(NO_LABEL, f"{images_file.name} from item {common}", len(classes) - common)
    if common < len(found):
        log.add(NO_IMAGE, f"{labels_file.name} from item {common}", len(found) - common)
    return images.items, classes


def _read(file: Path, axes: int, log: ProblemLog) -> IdxArray | None:
    try:
        array = read_idx(file, axes)
    except (IdxError, OSError) as error:
        log.add(BAD_FILE, f"{file.name}: {error}")
        return None
    count = len(array.items)
    if count < array.declared:
        said = f"{file.name}: header says {array.declared}, {count} are there"
        log.add(LYING_HEADER, said, array.declared - count)
    elif array.extra_bytes:
        log.add(EXTRA_BYTES, f"{file.name}: {array.extra_bytes} after {count} items")
    return array


def _parts(path: Path, what: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    # Longer names first, so that an unzipped file overwrites its zipped twin.
    for file in sorted(path.iterdir(), key=lambda file: (-len(file.name), file.name)):
        match = _NAME.match(file.name)
        inside = file.is_file() and is_inside(path, file)
        if match and inside and match["what"].lower() == what:
            found[match["part"].lower()] = file
    return dict(sorted(found.items()))


def _key_prefixes(parts: Iterable[str]) -> dict[str, str]:
    """``train`` or ``test`` for each part, and its own name after it where several are train."""
    splits = {part: _split_name(part) for part in parts}
    shared = Counter(splits.values())
    return {
        part: split if shared[split] == 1 else f"{split}/{part}" for part, split in splits.items()
    }


def _split_name(part: str) -> str:
    """``emnist-letters-train`` → ``train``, ``t10k`` → ``test``; other names stay."""
    words = re.split(r"[-._]", part)
    for name, hints in {"train": {"train"}, "test": {"t10k", "test"}}.items():
        if hints & set(words):
            return name
    return part or "all"


def _class_names(path: Path, classes: NDArray[np.int16]) -> tuple[str, ...]:
    fashion = "fashion" in str(path.resolve()).lower()
    if fashion and len(classes) and classes.max() < len(FASHION):
        return tuple(FASHION[number] for number in classes)
    return tuple(f"class_{number}" for number in classes)

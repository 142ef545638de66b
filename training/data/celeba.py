"""CelebA as its two downloads unpack it: aligned faces, forty attributes, an official partition.

    list_attr_celeba.txt or .csv + list_eval_partition.* + img_align_celeba/ → Index

Its lists lie in practice: the count in the first line may be wrong, rows and images may lack
each other, and files end early. All of it is counted, and what fits together is used.

1. A key is the name in the lists (``000001.jpg``), so that both downloads have the same keys.
2. The partition decides the parts; an image that it does not name goes by the hash of its key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.data.dataset import DataError
from training.data.files import has_file, image_files, is_inside
from training.data.index import FilePictures, Index
from training.data.metadata import match_rows
from training.data.split import UNKNOWN, Split
from training.data.table import (
    DUPLICATE,
    KEY_COLUMNS,
    SHORT_ROW,
    UNREADABLE,
    Table,
    TableBuilder,
    open_text,
    read_table,
    text_lines,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.data.report import ProblemLog

NAME = "celeba"
LICENCE = "CelebA: for non-commercial research purposes only"
"""Its owners' condition, in short; recorded unless ``dataset.json`` says something else."""

ATTRIBUTES = (
    "5_o_clock_shadow", "arched_eyebrows", "attractive", "bags_under_eyes", "bald", "bangs",
    "big_lips", "big_nose", "black_hair", "blond_hair", "blurry", "brown_hair", "bushy_eyebrows",
    "chubby", "double_chin", "eyeglasses", "goatee", "gray_hair", "heavy_makeup",
    "high_cheekbones", "male", "mouth_slightly_open", "mustache", "narrow_eyes", "no_beard",
    "oval_face", "pale_skin", "pointy_nose", "receding_hairline", "rosy_cheeks", "sideburns",
    "smiling", "straight_hair", "wavy_hair", "wearing_earrings", "wearing_hat",
    "wearing_lipstick", "wearing_necklace", "wearing_necktie", "young",
)  # fmt: skip
"""The forty; a set of another layout that has them all is CelebA too."""

FACES = "img_align_celeba"
LYING_COUNT = "row by which a list differs from the count in its first line"
NO_COUNT = "list without a count in its first line"
NO_PARTITION = "list of official parts that is missing or empty (the hash decides)"
NO_PART = "image without an official part (the hash decides)"
BAD_PART = "row of the official parts without 0, 1 or 2"


@dataclass(frozen=True)
class CelebA:
    """Where the lists of a download lie.

    Attributes:
        root: The folder with the lists.
        suffix: ``.txt`` as torchvision unpacks it, ``.csv`` as Kaggle does.
    """

    root: Path
    suffix: str


def is_celeba(attributes: Sequence[str]) -> bool:
    """Whether a set with these ``attributes`` is CelebA, whatever its layout."""
    return set(ATTRIBUTES) <= set(attributes)


def find_celeba(path: Path, log: ProblemLog) -> CelebA | None:
    """The lists of CelebA in ``path``, or in its folder ``celeba`` as torchvision makes it."""
    for root in (path, path / NAME):
        if is_inside(path, root):
            for suffix in (".txt", ".csv"):
                if has_file(root, f"list_attr_celeba{suffix}", log):
                    return CelebA(root, suffix)
    return None


def index_celeba(found: CelebA, log: ProblemLog) -> Index:
    """Match the list of attributes with the images, and both with the partition.

    Raises:
        DataError: There is no folder of images, or the list of attributes cannot be read.
    """
    root, suffix = found.root, found.suffix
    lists = root / f"list_attr_celeba{suffix}"
    table = read_table(lists, KEY_COLUMNS, log) if suffix == ".csv" else _read_spaced(lists, log)
    files = image_files(_faces(root), log)
    matched = match_rows(table.keys, files, log)
    places = sorted(matched, key=lambda key: matched[key])
    rows = [matched[key] for key in places]
    keys = tuple(table.keys[row] for row in rows)
    parts = _parts(root, f"list_eval_partition{suffix}", keys, log)
    return Index(
        FilePictures(tuple(files[place] for place in places)),
        keys,
        table.attributes,
        table.labels[rows],
        layout=f"CelebA, {'torchvision' if suffix == '.txt' else 'Kaggle'}'s layout",
        parts=parts,
        name=NAME,
        licence=LICENCE,
    )


def _faces(root: Path) -> Path:
    """The folder of images, which Kaggle's archive holds twice, one in the other."""
    for folder in (root / FACES / FACES, root / FACES):
        if folder.is_dir() and is_inside(root, folder):
            return folder
    raise DataError(
        f"{root} has the lists of CelebA but no folder {FACES} of its own; unpack {FACES}.zip there"
    )


def _read_spaced(path: Path, log: ProblemLog) -> Table:
    """A count, a line of names, then a name and ±1 for each attribute a line."""
    try:
        with open_text(path) as file:
            lines = text_lines(file, path, log)
            first = next(lines, "").split()
            count = int(first[0]) if len(first) == 1 and first[0].isdecimal() else None
            titles = first if count is None else next(lines, "").split()
            if count is None:
                log.add(NO_COUNT, path.name)
            rows = TableBuilder(titles, log)
            read = 0
            for read, line in enumerate(lines, start=1):
                name, *cells = line.split()
                if len(cells) != len(titles):
                    said = f"row {read}: {len(cells)} values, the list has {len(titles)} attributes"
                    log.add(SHORT_ROW, said)
                else:
                    rows.add(read - 1, name, cells)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as CelebA's list: {error}") from error
    if count is not None and count != read:
        log.add(LYING_COUNT, f"{path.name} says {count}, {read} are there", abs(count - read))
    return rows.table()


def _parts(root: Path, name: str, keys: Sequence[str], log: ProblemLog) -> NDArray[np.int8] | None:
    """The official part of each key int8 [N]; None if the list ``name`` tells none of them."""
    known: dict[str, int] = {}
    if has_file(root, name, log):
        try:
            with open_text(root / name) as file:
                for key, part in _pairs(text_lines(file, root / name, log)):
                    if part not in {"0", "1", "2"}:
                        log.add(BAD_PART, f"{key}: {part or 'nothing'}")
                    elif key in known:
                        log.add(DUPLICATE, f"{name}: {key}")
                    else:
                        known[key] = Split(int(part))
        except OSError as error:
            log.add(UNREADABLE, f"{name}: {error}")
    if not known:
        log.add(NO_PARTITION, name)
        return None
    parts = np.array([known.get(key, UNKNOWN) for key in keys], np.int8)
    for row in np.flatnonzero(parts == UNKNOWN).tolist():
        log.add(NO_PART, keys[row])
    return parts


def _pairs(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Name and part of each row, after a header of column names if there is one."""
    for number, line in enumerate(lines):
        name, _, part = line.replace(",", " ").strip().partition(" ")
        if number or part.strip() != "partition":
            yield name, part.strip()

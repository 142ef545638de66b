"""A folder of Parquet files with an image in each row, as hubs of data sets give them out.

    *.parquet → shards opened → columns, classes, parts by file name → Index

A key is the file's place and the row's number in it: ``data/train-00000-of-00019.parquet/000017``.

1. A shard that cannot be used, or lacks a column that most rows have, is counted and left out.
2. Labels of all shards are read at once (a byte each); pictures are streamed when asked for.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.data import celeba
from training.data.dataset import attribute_name
from training.data.files import file_keys, files_below
from training.data.idx_folder import NO_LABEL
from training.data.index import Index, Picture, file_state
from training.data.report import ProblemLog
from training.data.shard import CLASS_COLUMN, Shard, ShardError
from training.data.split import OFFICIAL, UNKNOWN
from training.data.table import BAD_COLUMN, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES = frozenset({".parquet"})
MAX_CLASSES = 1000
BAD_SHARD = "Parquet file that cannot be used"
MISSING_COLUMN = "row of a Parquet file that lacks a column of the others"
RARE_COLUMN = "column that most Parquet files lack"
OTHER_FILE = "file beside the Parquet files (not read)"


@dataclass(frozen=True)
class ParquetPictures:
    """Pictures in rows of shards.

    Attributes:
        shards: In their order.
        starts: int [shards + 1], the number of the first row of each among all rows.
        rows: int [N], ascending: which of all rows each picture is.
    """

    shards: tuple[Shard, ...]
    starts: NDArray[np.intp]
    rows: NDArray[np.intp]

    def read(self, places: NDArray[np.intp]) -> Iterator[Picture]:
        """Encoded pictures, streamed shard by shard."""
        rows = self.rows[places]
        for shard, start, after in zip(self.shards, self.starts, self.starts[1:], strict=False):
            wanted = rows[np.searchsorted(rows, start) : np.searchsorted(rows, after)]
            if len(wanted):
                yield from shard.pictures(wanted - start)

    def state(self, places: NDArray[np.intp]) -> Iterator[str]:
        """Size and time of each shard, and which rows."""
        for shard in self.shards:
            yield file_state(shard.path)
        yield ",".join(map(str, self.rows[places]))


def has_parquet(path: Path) -> bool:
    """Whether there is a Parquet file in ``path``, or in a folder below it."""
    return any(key.lower().endswith(tuple(SUFFIXES)) for key in file_keys(path, ProblemLog()))


def index_parquet(root: Path, log: ProblemLog, *, known: frozenset[str]) -> Index:
    """List the rows of every Parquet file below ``root``; those in ``known`` are passed."""
    files = files_below(root, SUFFIXES, log, other=OTHER_FILE, known=known)
    opened = dict(_opened(files.items(), log))
    columns = _common_columns(list(opened.values()), log)
    titles = [column for column in columns if column != CLASS_COLUMN]
    shards: dict[str, Shard] = {}
    codes = [np.empty((0, len(titles)), np.uint8)]
    classes: list[int | str | None] = []
    for key, shard in opened.items():
        missing = columns.keys() - _columns(shard)
        if missing:
            log.add(MISSING_COLUMN, f"{key} lacks {', '.join(sorted(missing))}", shard.rows)
            continue
        try:
            found = shard.codes(titles)
            classes += shard.classes_of_rows() if CLASS_COLUMN in columns else [None] * shard.rows
        except ShardError as error:
            log.add(BAD_SHARD, f"{key}: {error}")
            continue
        shards[key] = shard
        codes.append(found)
    keys = [f"{key}/{row:06d}" for key, shard in shards.items() for row in range(shard.rows)]
    table = table_of(keys, range(len(keys)), titles, np.concatenate(codes), log)
    rows = np.array(table.places, np.intp)
    names: tuple[str, ...] = ()
    one_hot = np.empty((len(rows), 0), np.bool_)
    if CLASS_COLUMN in columns:
        known_names = next((shard.classes for shard in shards.values() if shard.classes), ())
        chosen = [classes[row] for row in rows]
        names, one_hot = _classes(table.keys, chosen, known_names, table.attributes, log)
    counts = [shard.rows for shard in shards.values()]
    parts = np.repeat(np.array([part_of(key) for key in shards], np.int8), counts)
    attributes = (*table.attributes, *names)
    whole = celeba.is_celeba(attributes)
    return Index(
        ParquetPictures(tuple(shards.values()), np.cumsum([0, *counts]), rows),
        table.keys,
        attributes,
        np.concatenate((table.labels, one_hot), axis=1),
        layout="CelebA, Parquet" if whole else "Parquet",
        parts=parts[rows],
        name=celeba.NAME if whole else "",
        licence=celeba.LICENCE if whole else "",
    )


def part_of(key: str) -> int:
    """The part that a file's name or one of its folders tells, ``UNKNOWN`` if none or several.

    ``data/train-00000-of-00019.parquet``, ``default/test/0000.parquet``, ``faces_val.parquet``.
    """
    words = re.split(r"[^a-z]+", key.lower())
    parts = {OFFICIAL[word] for word in words if word in OFFICIAL}
    return parts.pop() if len(parts) == 1 else UNKNOWN


def _opened(files: Iterable[tuple[str, Path]], log: ProblemLog) -> Iterator[tuple[str, Shard]]:
    others: set[str] = set()
    for key, path in files:
        try:
            shard = Shard.open(path)
        except ShardError as error:
            log.add(BAD_SHARD, f"{key}: {error}")
            continue
        others.update(shard.others)
        yield key, shard
    for name in sorted(others):
        log.add(BAD_COLUMN, name)


def _columns(shard: Shard) -> set[str]:
    return {*shard.columns, *(() if shard.classes is None else (CLASS_COLUMN,))}


def _common_columns(shards: Sequence[Shard], log: ProblemLog) -> dict[str, None]:
    """Columns that more than half of all rows have, in the order of the files."""
    rows = Counter[str]()
    for shard in shards:
        for name in (*shard.columns, CLASS_COLUMN):
            if name in _columns(shard):
                rows[name] += shard.rows
    half = sum(shard.rows for shard in shards) / 2
    for name, count in rows.items():
        if count <= half:
            log.add(RARE_COLUMN, name)
    return {name: None for name, count in rows.items() if count > half}


def _classes(
    keys: Sequence[str],
    classes: Sequence[int | str | None],
    names: Sequence[str],
    taken: Sequence[str],
    log: ProblemLog,
) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """An attribute for each class that occurs, and bool [N, classes]."""
    # -1 is how unknown classes are written on hubs. Shards may differ in type, hence the key.
    known = [None if value == -1 else value for value in classes]
    found = sorted(
        {value for value in known if value is not None},
        key=lambda value: (isinstance(value, str), value),
    )
    if len(found) > MAX_CLASSES:
        log.add(BAD_COLUMN, f"{CLASS_COLUMN}: {len(found)} classes, the limit is {MAX_CLASSES}")
        return (), np.empty((len(keys), 0), np.bool_)
    columns = {value: column for column, value in enumerate(found)}
    hot = np.zeros((len(keys), len(found)), np.bool_)
    for row, value in enumerate(known):
        if value is None:
            log.add(NO_LABEL, keys[row])
        else:
            hot[row, columns[value]] = True
    return _class_names(found, names, taken), hot


def _class_names(
    found: Sequence[int | str], names: Sequence[str], taken: Sequence[str]
) -> tuple[str, ...]:
    given: list[str] = []
    for value in found:
        told = names[value] if isinstance(value, int) and 0 <= value < len(names) else value
        name = attribute_name(str(told))
        if isinstance(told, int) or not name:
            name = attribute_name(f"class_{value}")
        while name in given or name in taken:
            name += "_2"
        given.append(name)
    return tuple(given)

"""Tables of attributes as JSON lines: one object for each image, as ``metadata.jsonl`` has them.

    {"file_name": "1.png", "glasses": true, …} a line → codes [N, A] → Table

A line that is no object, or names no image, is counted and left out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from training.data.dataset import DataError
from training.data.table import (
    CODES,
    DUPLICATE,
    KEY_COLUMNS,
    UNKNOWN,
    Table,
    open_text,
    table_of,
    text_lines,
)

if TYPE_CHECKING:
    from pathlib import Path

    from training.data.report import ProblemLog

BAD_LINE = "line that is no JSON object with the name of an image"
MANY_COLUMNS = "column beyond the limit of 1000"
MAX_COLUMNS = 1000


def read_json_lines(path: Path, log: ProblemLog) -> Table:
    """Read ``path``; a name that a line lacks leaves that cell unknown.

    Raises:
        DataError: The file cannot be read, or no line names an image.
    """
    columns: dict[str, int] = {}
    rows: dict[str, tuple[int, bytes]] = {}
    try:
        with open_text(path) as file:
            for number, line in enumerate(text_lines(file, path, log)):
                found = _object(line)
                key_column = next((name for name in KEY_COLUMNS if name in found), None)
                if key_column is None:
                    log.add(BAD_LINE, f"line {number + 1}: {line[:60].strip()}")
                    continue
                key = str(found.pop(key_column)).strip()
                if key in rows:
                    log.add(DUPLICATE, key)
                    continue
                for name in [name for name in found if name not in columns]:
                    if len(columns) == MAX_COLUMNS:
                        log.add(MANY_COLUMNS, name)
                    else:
                        columns[name] = len(columns)
                rows[key] = (number, bytes(_code(found.get(name)) for name in columns))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not rows:
        raise DataError(
            f"{path} has no line with {' or '.join(KEY_COLUMNS)}, which names an image; write "
            'lines such as {"file_name": "1.png", "glasses": true}'
        )
    codes = np.full((len(rows), len(columns)), UNKNOWN, np.uint8)
    for row, (_, cells) in zip(codes, rows.values(), strict=True):
        row[: len(cells)] = np.frombuffer(cells, np.uint8)
    places = [place for place, _ in rows.values()]
    return table_of(tuple(rows), places, tuple(columns), codes, log)


def _object(line: str) -> dict[str, object]:
    """The object in ``line``; empty if there is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _code(value: object) -> int:
    plain = isinstance(value, (bool, int, float, str))
    return CODES[str(value)] if plain else UNKNOWN

"""Tables as JSON lines: read as far as they go, whatever stands in a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.dataset import DataError
from training.data.json_lines import BAD_LINE, MANY_COLUMNS, MAX_COLUMNS, read_json_lines
from training.data.report import ProblemLog
from training.data.table import BAD_CELL, BAD_COLUMN, DUPLICATE, MAX_LINE, UNREADABLE, Table

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, lines: list[object]) -> tuple[Table, dict[str, int]]:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts), encoding="utf-8")
    log = ProblemLog()
    table = read_json_lines(path, log)
    return table, {row.reason: row.count for row in log.freeze().rows}


def test_cells_in_every_spelling_and_lines_that_are_none(tmp_path: Path) -> None:
    table, problems = read(
        tmp_path / "t.jsonl",
        [
            {"file_name": "1.png", "Wearing Hat": True, "smile": -1, "caption": "a face"},
            {"smile": "true", "file_name": "2.png", "Wearing Hat": 0, "caption": "another"},
            {"file_name": "3.png", "Wearing Hat": 1.0, "smile": False, "late": 1},
            {"file_name": "4.png", "Wearing Hat": None, "smile": True},
            {"file_name": "5.png", "smile": True},
            {"file_name": "1.png", "Wearing Hat": True, "smile": True},
            {"Wearing Hat": True, "smile": True},
            ["file_name", "6.png"],
            "{'file_name': '7.png'}",
            "[" * 100_000,
            "",
        ],
    )
    assert (table.keys, table.attributes) == (("1.png", "2.png", "3.png"), ("wearing_hat", "smile"))
    assert table.labels.tolist() == [[True, False], [False, True], [True, False]]
    assert problems == {BAD_CELL: 2, DUPLICATE: 1, BAD_LINE: 4, BAD_COLUMN: 2}


def test_lines_and_columns_are_bounded(tmp_path: Path) -> None:
    many = {f"a{column}": 1 for column in range(MAX_COLUMNS + 5)}
    table, problems = read(
        tmp_path / "t.jsonl", [{"file_name": "1.png", **many}, '"' + "x" * MAX_LINE, {"file": "2"}]
    )
    assert (len(table.keys), len(table.attributes)) == (1, MAX_COLUMNS)
    assert problems == {MANY_COLUMNS: 5, UNREADABLE: 1}


@given(
    st.lists(st.one_of(st.text(max_size=30), st.dictionaries(st.text(), st.none()).map(json.dumps)))
)
def test_any_lines_are_a_table_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.mktemp("lines") / "t.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    try:
        table = read_json_lines(path, ProblemLog())
    except DataError:
        return
    assert table.labels.shape == (len(table.keys), len(table.attributes))


def test_a_file_that_names_no_image_says_how_a_line_looks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'write lines such as \{"file_name"'):
        read(tmp_path / "t.jsonl", [{"picture": "1.png"}])

"""Tables of attributes go out and come back equal; strange ones are read as far as they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.dataset import DataError, attribute_name
from training.data.report import ProblemLog
from training.data.table import BAD_COLUMN, read_table, write_table

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=12
)


@given(st.lists(NAMES, unique=True, max_size=8), st.integers(0, 3))
def test_written_tables_come_back(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], width: int
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    attributes = tuple(f"a{column}" for column in range(width))
    labels = np.random.default_rng(len(keys)).random((len(keys), width)) < 0.5
    write_table(path, "key", keys, attributes, labels)
    log = ProblemLog()
    table = read_table(path, ("key",), log)
    assert (table.keys, table.attributes) == (tuple(keys), attributes)
    np.testing.assert_array_equal(table.labels, labels)
    assert not log.freeze().rows


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_bytes(b"key,hat\n" + content)
    try:
        table = read_table(path, ("key",), ProblemLog())
    except DataError:
        return
    assert table.labels.shape == (len(table.keys), len(table.attributes))


def test_two_columns_that_get_one_name_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("key,Long-Hair,long hair\na,1,0\n")
    log = ProblemLog()
    table = read_table(tmp_path / "t.csv", ("key",), log)
    assert (table.attributes, table.labels.tolist()) == (("long_hair",), [[True]])
    assert log.freeze().count(BAD_COLUMN) == 1


@pytest.mark.parametrize(
    ("text", "name"), [("T-Shirt/top", "t_shirt_top"), ("Élan vital", "elan_vital"), ("日本", "")]
)
def test_attribute_names_are_plain(text: str, name: str) -> None:
    assert attribute_name(text) == name

"""Parquet files as hubs give them out, whole, damaged and strange."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from bundle.manifest import ImageSpec
from tests.support.layouts import CELEBA_NAMES, celeba_labels, encoded, write_shard
from training.data import DataError, Dataset, load
from training.data.celeba import ATTRIBUTES, LICENCE
from training.data.files import OUTSIDE
from training.data.fitting import UNREADABLE
from training.data.idx_folder import NO_LABEL
from training.data.parquet import BAD_SHARD, MISSING_COLUMN, OTHER_FILE, RARE_COLUMN, part_of
from training.data.split import UNKNOWN, Split
from training.data.table import BAD_CELL, BAD_COLUMN

if TYPE_CHECKING:
    from pathlib import Path

SPEC = ImageSpec(height=8, width=8, channels=3, resize="box", crop="centre")
FACES = [encoded(20 * number) for number in range(10)]
HATS: list[object] = [number % 3 == 0 for number in range(10)]


def levels(data: Dataset) -> list[int]:
    return [int(level) for level in data.images[:][:, 4, 4, 0]]


def problems(data: Dataset) -> dict[str, int]:
    return {row.reason: row.count for row in data.problems.rows}


@pytest.mark.parametrize("struct", [True, False], ids=["struct", "bytes"])
def test_shards_of_every_part_come_in_order(tmp_path: Path, struct: bool) -> None:
    for number, part in enumerate(("train", "validation", "test")):
        rows = slice(3 * number, 3 * number + 3)
        path = tmp_path / "data" / f"{part}-00000-of-00001.parquet"
        write_shard(path, FACES[rows], {"Wearing Hat": HATS[rows]}, struct=struct, group=2)
    data = load(tmp_path, SPEC)
    assert data.layout == "Parquet"
    assert data.attributes == ("wearing_hat",)
    assert data.keys[0] == "data/test-00000-of-00001.parquet/000000"
    assert levels(data) == [120, 140, 160, 0, 20, 40, 60, 80, 100]
    assert data.labels[:, 0].tolist() == [level % 60 == 0 for level in levels(data)]
    assert data.splits.tolist() == [2, 2, 2, 0, 0, 0, 1, 1, 1]
    assert not data.problems.rows
    some = load(tmp_path, SPEC, limit=4)
    assert [levels(data)[data.keys.index(key)] for key in some.keys] == levels(some)


def test_celeba_is_known_by_its_attributes(tmp_path: Path) -> None:
    labels = celeba_labels(8)
    columns: dict[str, list[object]] = {
        name: labels[:, column].tolist() for column, name in enumerate(CELEBA_NAMES)
    }
    ids: list[object] = [2880 + number for number in range(8)]
    for part, rows in {"train": slice(0, 5), "valid": slice(5, 8)}.items():
        shard = {name: cells[rows] for name, cells in columns.items()} | {"celeb_id": ids[rows]}
        write_shard(tmp_path / f"{part}-00000-of-00001.parquet", FACES[rows], shard)
    data = load(tmp_path, SPEC)
    assert (data.name, data.licence, data.layout) == ("celeba", LICENCE, "CelebA, Parquet")
    assert data.attributes == ATTRIBUTES
    np.testing.assert_array_equal(data.labels, labels)
    assert problems(data) == {BAD_COLUMN: 1}
    (tmp_path / "dataset.json").write_text('{"licence": "mine", "name": "faces"}')
    described = load(tmp_path, SPEC)
    assert (described.name, described.licence) == ("faces", "mine")


def test_every_spelling_of_true_and_false(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "flag": pa.array([True, False, True, False, None]),
        "sign": pa.array([1, -1, 1, -1, 1], pa.int8()),
        "share": pa.array([1.0, 0.0, 1.0, 0.0, 1.0]),
        "word": pa.array(["true", "No", "1", "FALSE", "yes"]),
        "coded": pa.array(["yes", "no", "yes", "no", "yes"]).dictionary_encode(),
        "age": pa.array([31, 25, 47, 62, 1]),
        "box": pa.array([[1, 2]] * 5),
    }
    write_shard(tmp_path / "a.parquet", FACES[:5], columns)
    data = load(tmp_path, SPEC)
    assert data.attributes == ("flag", "sign", "share", "word", "coded")
    assert data.labels.tolist() == [[True] * 5, [False] * 5] * 2
    assert problems(data) == {BAD_CELL: 1, BAD_COLUMN: 2}


def test_rows_that_are_no_image_are_left_out(tmp_path: Path) -> None:
    images = [FACES[0], None, b"not an image", FACES[3][:40], b"", FACES[5]]
    for struct in (True, False):
        root = tmp_path / str(struct)
        write_shard(root / "a.parquet", images, {"hat": HATS[:6]}, struct=struct, group=4)
        data = load(root, SPEC)
        assert levels(data) == [0, 100]
        assert data.labels[:, 0].tolist() == [True, False]
        assert problems(data) == {UNREADABLE: 4}
        assert "a.parquet/000001: no bytes in its row" in data.summary()


def test_shards_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    for number in range(3):
        write_shard(tmp_path / f"{number}.parquet", FACES, {"hat": HATS, "smile": HATS})
    write_shard(tmp_path / "lacking.parquet", FACES[:4], {"hat": HATS[:4]})
    write_shard(tmp_path / "more.parquet", FACES, {"hat": HATS, "smile": HATS, "beard": HATS})
    whole = (tmp_path / "0.parquet").read_bytes()
    (tmp_path / "0.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.parquet").write_bytes(b"")
    parquet.write_table(pa.table({"text": ["a"]}), tmp_path / "text.parquet")
    (tmp_path / "README.md").write_text("a set")
    (tmp_path.parent / "outside.parquet").write_bytes(whole)
    (tmp_path / "link.parquet").symlink_to(tmp_path.parent / "outside.parquet")
    data = load(tmp_path, SPEC)
    assert {key.partition("/")[0] for key in data.keys} == {
        "1.parquet",
        "2.parquet",
        "more.parquet",
    }
    assert len(data) == 30
    assert data.attributes == ("hat", "smile")
    assert problems(data) == {
        BAD_SHARD: 3,
        MISSING_COLUMN: 4,
        RARE_COLUMN: 1,
        OTHER_FILE: 1,
        OUTSIDE: 1,
    }
    assert "text.parquet: no column of image bytes among text" in data.summary()


def test_damage_inside_a_row_group_costs_that_group(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    noise = np.random.default_rng(0).bytes
    write_shard(path, [FACES[0] + noise(300) for _ in range(6)], {"hat": HATS[:6]}, group=2)
    chunk = parquet.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + 30] = b"\xff" * 30
    path.write_bytes(content)
    data = load(tmp_path, SPEC)
    assert [key[-1] for key in data.keys] == ["0", "1", "4", "5"]
    assert problems(data) == {UNREADABLE: 2}


@pytest.mark.parametrize("named", [True, False])
def test_a_column_of_classes_gives_an_attribute_for_each(tmp_path: Path, named: bool) -> None:
    features = {"label": {"_type": "ClassLabel", "names": ["Ankle boot", "Bag", "ankle-boot"]}}
    said = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    table = pa.table({"image": FACES[:6], "label": [2, 0, 1, None, -1, 0]})
    parquet.write_table(
        table.replace_schema_metadata(said if named else {}), tmp_path / "a.parquet"
    )
    data = load(tmp_path, SPEC)
    wanted = ("ankle_boot", "bag", "ankle_boot_2") if named else ("class_0", "class_1", "class_2")
    assert data.attributes == wanted
    assert data.labels.argmax(axis=1)[[0, 1, 2, 5]].tolist() == [2, 0, 1, 0]
    assert not data.labels[3:5].any()
    assert problems(data) == {NO_LABEL: 2}


def test_words_are_classes_and_names_are_none(tmp_path: Path) -> None:
    words: list[object] = ["cat", "dog", "cat"]
    write_shard(tmp_path / "a.parquet", FACES[:3], {"label": words, "breed": words})
    data = load(tmp_path, SPEC)
    assert data.attributes == ("cat", "dog")
    assert data.labels.tolist() == [[True, False], [False, True], [True, False]]
    assert problems(data) == {BAD_COLUMN: 1}


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("train-00000-of-00019.parquet", Split.TRAIN),
        ("data/validation-00000-of-00001-abcdef.parquet", Split.VALIDATION),
        ("default/partial-train/0000.parquet", Split.TRAIN),
        ("faces_test.parquet", Split.TEST),
        ("default/valid/0003.parquet", Split.VALIDATION),
        ("0000.parquet", UNKNOWN),
        ("trainer.parquet", UNKNOWN),
        ("train-test/0.parquet", UNKNOWN),
    ],
)
def test_parts_by_file_name(key: str, part: int) -> None:
    assert part_of(key) == part


def test_columns_of_one_name_are_none_and_dots_are_part_of_a_name(tmp_path: Path) -> None:
    cells = [FACES[:3], *([[True, False, True]] * 3)]
    table = pa.Table.from_arrays([pa.array(cell) for cell in cells], ["image", "a", "a", "b.c"])
    parquet.write_table(table, tmp_path / "a.parquet")
    data = load(tmp_path, SPEC)
    assert data.attributes == ("b_c",)
    assert problems(data) == {BAD_COLUMN: 1}


def test_no_row_that_can_be_used_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"holds no image(.|\n)*1 × Parquet file that cannot"):
        load(tmp_path, SPEC)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8), st.data())
def test_any_damage_is_a_data_error_or_a_smaller_set(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("shard") / "a.parquet"
    write_shard(path, FACES[:3], {"hat": HATS[:3]}, group=2)
    content = bytearray(path.read_bytes())
    for place, value in edits:
        content[place % len(content)] = value
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    path.write_bytes(content[:cut])
    try:
        found = load(path.parent, SPEC)
    except DataError:
        return
    assert len(found) == len(set(found.keys)) <= 3

"""CelebA as its downloads unpack it, with the faults that such downloads have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bundle.manifest import ImageSpec
from tests.support.layouts import CELEBA_NAMES, celeba_labels, write_kaggle, write_torchvision
from training.data import DataError, Split, load
from training.data.celeba import (
    ATTRIBUTES,
    BAD_PART,
    LICENCE,
    LYING_COUNT,
    NO_COUNT,
    NO_PART,
    NO_PARTITION,
)
from training.data.files import OUTSIDE
from training.data.fitting import UNREADABLE
from training.data.packed import NO_IMAGE, NO_ROW
from training.data.table import BAD_CELL, DUPLICATE, SHORT_ROW

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPEC = ImageSpec(height=8, width=8, channels=3, resize="box", crop="centre")
COUNT = 20
WRITERS = {"torchvision": write_torchvision, "Kaggle": write_kaggle}


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


@pytest.mark.parametrize("layout", WRITERS)
def test_both_downloads_give_the_same_set(tmp_path: Path, layout: str) -> None:
    WRITERS[layout](tmp_path, COUNT)
    data = load(tmp_path, SPEC)
    assert data.layout == f"CelebA, {layout}'s layout"
    assert (data.name, data.licence) == ("celeba", LICENCE)
    assert data.attributes == ATTRIBUTES
    assert data.keys == tuple(f"{number:06d}.jpg" for number in range(1, COUNT + 1))
    np.testing.assert_array_equal(data.labels, celeba_labels(COUNT))
    np.testing.assert_allclose(data.images[:][:, 4, 4, 1], 3 * np.arange(COUNT), atol=2)
    assert data.splits.tolist() == [0, 0, 0, 1, 2] * 4
    assert not data.problems.rows


def test_the_folder_that_torchvision_makes_is_found_in_its_root(tmp_path: Path) -> None:
    write_torchvision(tmp_path / "celeba", COUNT)
    assert load(tmp_path, SPEC).licence == LICENCE


def test_a_description_has_the_last_word_on_the_licence(tmp_path: Path) -> None:
    write_kaggle(tmp_path, COUNT)
    (tmp_path / "dataset.json").write_text(json.dumps({"licence": "bought"}))
    data = load(tmp_path, SPEC)
    assert (data.name, data.licence) == ("celeba", "bought")


def test_a_limit_moves_nothing_to_another_part(tmp_path: Path) -> None:
    write_torchvision(tmp_path, COUNT)
    whole, some = load(tmp_path, SPEC), load(tmp_path, SPEC, limit=7)
    assert len(some) == 7
    parts = dict(zip(whole.keys, whole.splits.tolist(), strict=True))
    assert [parts[key] for key in some.keys] == some.splits.tolist()


def test_faults_of_the_text_lists_are_counted(tmp_path: Path) -> None:
    write_torchvision(tmp_path, COUNT, declared=30)

    def spoil(lines: list[str]) -> list[str]:
        lines[3] = lines[3].replace("-1", "?", 1)  # 000002
        lines[4] = lines[4].rpartition(" ")[0]  # 000003
        lines[5] = lines[5].replace("-1", "0").replace("  1", " 1 ")  # 000004, spelt otherwise
        return [*lines, lines[6], "000099.jpg" + " 1" * len(CELEBA_NAMES), "../x.jpg" + " 1" * 40]

    edit(tmp_path / "list_attr_celeba.txt", spoil)
    (tmp_path / "img_align_celeba" / "000006.jpg").write_bytes(b"\xff\xd8\xff not a photo")
    (tmp_path / "img_align_celeba" / "stray.jpg").write_bytes(b"")
    edit(
        tmp_path / "list_eval_partition.txt",
        lambda lines: [*lines[:7], "000008.jpg 7", *lines[8:19], "000001.jpg 2"],
    )
    data = load(tmp_path, SPEC)
    found = {row.reason: row.count for row in data.problems.rows}
    assert found == {
        LYING_COUNT: 7,
        BAD_CELL: 1,
        SHORT_ROW: 1,
        DUPLICATE: 2,
        NO_IMAGE: 1,
        OUTSIDE: 1,
        NO_ROW: 3,
        UNREADABLE: 1,
        BAD_PART: 1,
        NO_PART: 2,
    }
    assert len(data) == COUNT - 3
    kept = data.keys.index("000004.jpg")
    np.testing.assert_array_equal(data.labels[kept], celeba_labels(COUNT)[3])
    assert data.splits[0] == Split.TRAIN
    assert "list_attr_celeba.txt says 30, 23 are there" in data.summary()


def test_faults_of_the_csv_lists_are_counted(tmp_path: Path) -> None:
    write_kaggle(tmp_path, COUNT)
    edit(
        tmp_path / "list_attr_celeba.csv",
        lambda lines: [lines[0], lines[1].replace("-1", "", 1), *lines[2:-1], lines[-1][:30]],
    )
    (tmp_path / "list_eval_partition.csv").unlink()
    data = load(tmp_path, SPEC)
    found = {row.reason: row.count for row in data.problems.rows}
    assert found == {BAD_CELL: 1, SHORT_ROW: 1, NO_ROW: 2, NO_PARTITION: 1}
    assert len(data) == COUNT - 2


def test_a_list_without_its_count_is_read(tmp_path: Path) -> None:
    write_torchvision(tmp_path, COUNT)
    edit(tmp_path / "list_attr_celeba.txt", lambda lines: lines[1:])
    data = load(tmp_path, SPEC)
    np.testing.assert_array_equal(data.labels, celeba_labels(COUNT))
    assert data.problems.count(NO_COUNT) == 1


def test_an_empty_partition_leaves_the_parts_to_the_hash(tmp_path: Path) -> None:
    write_torchvision(tmp_path, COUNT)
    (tmp_path / "list_eval_partition.txt").write_text("")
    data = load(tmp_path, SPEC)
    assert data.problems.count(NO_PARTITION) == 1
    assert (data.splits == Split.TRAIN).sum() > COUNT // 2


def test_lists_without_images_say_what_to_unpack(tmp_path: Path) -> None:
    write_torchvision(tmp_path / "set", COUNT)
    (tmp_path / "set" / "img_align_celeba").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"unpack img_align_celeba\.zip"):
        load(tmp_path / "set", SPEC)
    (tmp_path / "set" / "img_align_celeba").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="no folder img_align_celeba of its own"):
        load(tmp_path / "set", SPEC)
    (tmp_path / "set" / "list_attr_celeba.txt").write_bytes(b"")
    (tmp_path / "set" / "img_align_celeba").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "set" / "img_align_celeba")
    with pytest.raises(DataError, match="holds no image that can be read"):
        load(tmp_path / "set", SPEC)


def test_a_list_that_is_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    write_torchvision(tmp_path / "set", COUNT)
    (tmp_path / "set" / "list_attr_celeba.txt").rename(tmp_path / "secret.txt")
    (tmp_path / "set" / "list_attr_celeba.txt").symlink_to(tmp_path / "secret.txt")
    data = load(tmp_path / "set", SPEC)
    assert data.problems.count(OUTSIDE) >= 1
    assert not set(ATTRIBUTES) & set(data.attributes)

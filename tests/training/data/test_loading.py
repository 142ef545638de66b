"""Every layout, and every fault in it, through the one function that callers use."""

from __future__ import annotations

import gzip
import json
import struct
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from PIL import Image

from bundle.manifest import ImageSpec
from training.data import DataError, Split, load
from training.data.files import LINKED_FOLDER, NOT_AN_IMAGE, OUTSIDE
from training.data.fitting import UNREADABLE
from training.data.folders import UNNAMEABLE
from training.data.idx_folder import BAD_FILE, EXTRA_BYTES, LYING_HEADER, NO_LABEL
from training.data.idx_folder import NO_IMAGE as NO_IMAGE_FOR_LABEL
from training.data.metadata import SECOND_TABLE
from training.data.packed import NO_IMAGE, NO_ROW, write_packed
from training.data.table import BAD_CELL, BAD_COLUMN, DUPLICATE, SHORT_ROW

if TYPE_CHECKING:
    from pathlib import Path


def spec(size: int = 8, channels: Literal[1, 3] = 3) -> ImageSpec:
    return ImageSpec(height=size, width=size, channels=channels, resize="box", crop="centre")


def picture(path: Path, colour: tuple[int, int, int] = (10, 20, 30), size: int = 12) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), colour).save(path)


def write_idx(path: Path, array: np.ndarray, *, declared: int | None = None) -> None:
    shape = (len(array) if declared is None else declared, *array.shape[1:])
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mnist(root: Path, *, dots: bool = False, suffix: str = "") -> None:
    root.mkdir(parents=True, exist_ok=True)
    joint = "." if dots else "-"
    for part, count in {"train": 40, "t10k": 10}.items():
        images = (
            np.full((count, 6, 6), 0, np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None]
        )
        write_idx(root / f"{part}-images{joint}idx3-ubyte{suffix}", images)
        labels = (np.arange(count) % 3).astype(np.uint8)
        write_idx(root / f"{part}-labels{joint}idx1-ubyte{suffix}", labels)


@pytest.mark.parametrize(("dots", "suffix"), [(False, ""), (False, ".gz"), (True, "")])
def test_idx_gives_images_classes_and_official_parts(
    tmp_path: Path, dots: bool, suffix: str
) -> None:
    write_mnist(tmp_path, dots=dots, suffix=suffix)
    data = load(tmp_path, spec(channels=1))
    assert data.images.shape == (50, 8, 8, 1)
    assert data.attributes == ("class_0", "class_1", "class_2")
    test = data.part(Split.TEST)
    assert test.keys == tuple(f"test/{number:05d}" for number in range(10))
    np.testing.assert_array_equal(test.images[:][:, 4, 4, 0], np.arange(10))
    np.testing.assert_array_equal(test.labels.argmax(axis=1), np.arange(10) % 3)
    assert len(data.part(Split.TRAIN)) + len(data.part(Split.VALIDATION)) == 40
    assert not data.problems.rows


def test_two_idx_sets_in_one_folder_keep_their_keys_apart(tmp_path: Path) -> None:
    for name in ("emnist-letters", "emnist-digits"):
        for part, count in {"train": 6, "test": 3}.items():
            images = np.full((count, 6, 6), len(name), np.uint8)
            write_idx(tmp_path / f"{name}-{part}-images-idx3-ubyte", images)
            write_idx(tmp_path / f"{name}-{part}-labels-idx1-ubyte", np.zeros(count, np.uint8))
    data = load(tmp_path, spec())
    assert len(data) == 18
    assert data.keys[0] == "test/emnist-digits-test/00000"
    assert (data.splits == Split.TEST).sum() == 6


def test_fashion_classes_have_names_and_an_unzipped_twin_is_no_second_set(tmp_path: Path) -> None:
    root = tmp_path / "fashion-mnist"
    write_mnist(root)
    write_mnist(root, suffix=".gz")
    data = load(root, spec())
    assert data.attributes == ("t_shirt", "trouser", "pullover")
    assert data.images.shape == (50, 8, 8, 3)
    assert len(data) == 50


def test_lying_idx_headers_are_counted(tmp_path: Path) -> None:
    images, labels = np.zeros((5, 6, 6), np.uint8), np.zeros(5, np.uint8)
    write_idx(tmp_path / "train-images-idx3-ubyte", images, declared=9)
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels[:4])
    write_idx(tmp_path / "t10k-images-idx3-ubyte", images, declared=3)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", labels)
    (tmp_path / "extra-images-idx3-ubyte").write_bytes(b"not IDX at all")
    data = load(tmp_path, spec())
    assert len(data) == 8
    reasons = (LYING_HEADER, NO_LABEL, EXTRA_BYTES, NO_IMAGE_FOR_LABEL, BAD_FILE)
    assert [data.problems.count(reason) for reason in reasons] == [4, 1, 1, 2, 1]
    unlabelled = data.keys.index("train/00004")
    assert not data.labels[unlabelled].any()


def test_folders_are_attributes_below_the_parts(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "T-Shirt" / "a.png", (255, 0, 0))
    picture(tmp_path / "train" / "shoes" / "sneaker" / "b.jpg")
    picture(tmp_path / "test" / "shoes" / "c.png")
    data = load(tmp_path, spec())
    assert data.keys == ("test/shoes/c.png", "train/T-Shirt/a.png", "train/shoes/sneaker/b.jpg")
    assert data.attributes == ("shoes", "sneaker", "t_shirt")
    assert data.labels.tolist() == [[True, False, False], [False, False, True], [True, True, False]]
    assert data.splits[0] == Split.TEST
    assert data.images[1, 0, 0].tolist() == [255, 0, 0]


def test_faults_in_folders_are_counted_and_links_out_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "set"
    picture(root / "a" / "1.png")
    picture(root / "b" / "2.png")
    picture(root / "日本" / "3.png")
    picture(tmp_path / "secret" / "4.png")
    (root / "a" / "broken.png").write_bytes((root / "a" / "1.png").read_bytes()[:50])
    (root / "a" / "text.jpg").write_text("this is no image")
    (root / "a" / "empty.png").touch()
    (root / "b" / "notes.txt").write_text("hello")
    (root / "b" / ".hidden.png").write_text("hidden")
    (root / "b" / "out.png").symlink_to(tmp_path / "secret" / "4.png")
    (root / "c").symlink_to(tmp_path / "secret")
    data = load(root, spec())
    assert data.keys == ("a/1.png", "b/2.png", "日本/3.png")
    counts = {row.reason: row.count for row in data.problems.rows}
    assert counts == {UNREADABLE: 3, NOT_AN_IMAGE: 1, OUTSIDE: 1, LINKED_FOLDER: 1, UNNAMEABLE: 1}
    assert "a/text.jpg: cannot identify image file" in data.summary()


def test_metadata_rows_and_files_are_matched(tmp_path: Path) -> None:
    for name in ("one.png", "deep/two.png", "three.png", "four.png", "lonely.png"):
        picture(tmp_path / name)
    (tmp_path / "metadata.csv").write_text(
        "file_name,Glasses,long-hair,comment\n"
        "one.png,1,-1,nice\n"
        "two.png,true,FALSE,found by its bare name\n"
        "three.png,maybe,1,\n"
        "one.png,0,0,again\n"
        "gone.png,0,1,\n"
        "../escape.png,0,1,\n"
        "four.png,0\n"
        "\n"
        "./four.png,0,1,ok\n",
        encoding="utf-8-sig",
    )
    data = load(tmp_path, spec())
    assert data.attributes == ("glasses", "long_hair")
    labels = dict(zip(data.keys, data.labels.tolist(), strict=True))
    assert labels == {
        "one.png": [True, False],
        "deep/two.png": [True, False],
        "four.png": [False, True],
    }
    counts = {row.reason: row.count for row in data.problems.rows}
    assert counts == {
        BAD_CELL: 1,
        DUPLICATE: 1,
        NO_IMAGE: 1,
        OUTSIDE: 1,
        SHORT_ROW: 1,
        BAD_COLUMN: 1,
        NO_ROW: 2,
    }


def test_json_lines_say_what_a_table_says(tmp_path: Path) -> None:
    for name in ("one.png", "deep/two.png", "lonely.png"):
        picture(tmp_path / name)
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "one.png", "Glasses": true, "hat": 0}\n'
        '{"file_name": "deep/two.png", "Glasses": false, "hat": 1}\n'
        '{"file_name": "gone.png", "Glasses": false, "hat": 1}\n'
    )
    data = load(tmp_path, spec())
    assert (data.attributes, data.layout) == (("glasses", "hat"), "images with metadata.jsonl")
    assert dict(zip(data.keys, data.labels.tolist(), strict=True)) == {
        "one.png": [True, False],
        "deep/two.png": [False, True],
    }
    assert [data.problems.count(reason) for reason in (NO_IMAGE, NO_ROW)] == [1, 1]
    (tmp_path / "metadata.csv").write_text("file_name,smile\nlonely.png,1\n")
    both = load(tmp_path, spec())
    assert (both.keys, both.attributes) == (("lonely.png",), ("smile",))
    assert both.problems.count(SECOND_TABLE) == 1


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "dataset.json", "images.npy"])
def test_files_that_are_links_out_of_the_folder_are_not_read(tmp_path: Path, name: str) -> None:
    packed(tmp_path / "set")
    picture(tmp_path / "set" / "1.png")
    (tmp_path / "secret").write_text(
        '{"name": "secret", "licence": "secret", "file_name": "1.png"}'
    )
    (tmp_path / "set" / name).unlink(missing_ok=True)
    (tmp_path / "set" / name).symlink_to(tmp_path / "secret")
    (tmp_path / "set" / ("metadata.csv" if name == "metadata.jsonl" else "none")).unlink(
        missing_ok=True
    )
    try:
        data = load(tmp_path / "set", spec())
    except DataError as error:  # no row of the packed set's table is an image file here
        said = str(error)
    else:
        said = data.summary()
        assert "secret" not in (data.name, data.licence)
    assert f"{OUTSIDE} ({name}" in said


def packed(path: Path, count: int = 6, size: int = 8) -> np.ndarray:
    images = np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    write_packed(
        path,
        images=images,
        keys=tuple(f"face-{number}" for number in range(count)),
        attributes=("hat", "smile"),
        labels=np.arange(2 * count).reshape(count, 2) % 3 == 0,
        name="drawn",
        licence="CC0-1.0",
    )
    return images


def test_packed_set_comes_back_equal(tmp_path: Path) -> None:
    images = packed(tmp_path / "set")
    data = load(tmp_path / "set", spec())
    np.testing.assert_array_equal(data.images, images)
    assert isinstance(data.images, np.memmap)
    np.testing.assert_array_equal(data.labels, np.arange(12).reshape(6, 2) % 3 == 0)
    assert (data.name, data.licence, data.attributes) == ("drawn", "CC0-1.0", ("hat", "smile"))
    assert load(tmp_path / "set", spec(4, 1)).images.shape == (6, 4, 4, 1)


def test_packed_rows_keep_their_image_when_one_row_is_bad(tmp_path: Path) -> None:
    images = packed(tmp_path)
    table = tmp_path / "metadata.csv"
    lines = table.read_text().splitlines()
    lines[2] = "face-1,perhaps,0"
    table.write_text("\n".join([*lines, "face-6,0,1", ""]))
    data = load(tmp_path, spec())
    assert data.keys == ("face-0", "face-2", "face-3", "face-4", "face-5")
    np.testing.assert_array_equal(data.images, images[[0, 2, 3, 4, 5]])
    reasons = (BAD_CELL, NO_ROW, NO_IMAGE)
    assert [data.problems.count(reason) for reason in reasons] == [1, 1, 1]


def test_packed_set_is_never_overwritten(tmp_path: Path) -> None:
    packed(tmp_path / "set")
    with pytest.raises(DataError, match="exists already"):
        packed(tmp_path / "set")


@pytest.mark.parametrize(
    "content",
    [b"", b"not npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '|O'"],
    ids=["empty", "text", "object"],
)
def test_packed_array_that_cannot_be_read_is_one_clear_error(
    tmp_path: Path, content: bytes
) -> None:
    packed(tmp_path)
    (tmp_path / "images.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"images\.npy"):
        load(tmp_path, spec())


def test_packed_array_that_is_cut_short_is_one_clear_error(tmp_path: Path) -> None:
    packed(tmp_path)
    content = (tmp_path / "images.npy").read_bytes()
    (tmp_path / "images.npy").write_bytes(content[:-100])
    with pytest.raises(DataError, match="write the set again"):
        load(tmp_path, spec())


def test_limit_keeps_classes_mixed_and_rows_together(tmp_path: Path) -> None:
    for kind in range(4):
        for number in range(30):
            picture(tmp_path / f"kind{kind}" / f"{number}.png", (kind * 60, 0, 0), size=8)
    data = load(tmp_path, spec(), limit=40)
    assert len(data) == 40
    assert (data.labels.sum(axis=0) > 3).all()
    np.testing.assert_array_equal(data.images[:][:, 0, 0, 0] // 60, data.labels.argmax(axis=1))


def test_description_gives_name_and_licence_and_a_broken_one_is_counted(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    (tmp_path / "dataset.json").write_text(json.dumps({"name": "shop", "licence": "CC0 1.0"}))
    data = load(tmp_path, spec())
    assert (data.name, data.licence, data.attributes) == ("shop", "CC0 1.0", ())
    (tmp_path / "dataset.json").write_text("[1, 2")
    broken = load(tmp_path, spec())
    assert (broken.name, broken.licence) == (tmp_path.name, "not stated")
    assert broken.problems.total == 1


def test_nothing_to_read_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load(tmp_path / "nowhere", spec())
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        load(tmp_path / "file", spec())
    with pytest.raises(DataError, match=r"holds no image(.|\n)*1 × file that is not an image"):
        load(tmp_path, spec())
    with pytest.raises(DataError, match="at least 1"):
        load(tmp_path, spec(), limit=0)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"?")
    with pytest.raises(DataError, match="1 bytes, but the header"):
        load(tmp_path, spec())
    (tmp_path / "train-images-idx3-ubyte").unlink()
    (tmp_path / "metadata.csv").write_text("picture,hat\n")
    with pytest.raises(DataError, match="file_name or"):
        load(tmp_path, spec())


def test_summary_says_as_what_a_folder_was_read(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    picture(tmp_path / "b" / "2.png")
    assert "read as: a folder for each class" in load(tmp_path, spec()).summary()


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    for number in range(70):
        picture(tmp_path / f"{number}.png", size=4)
    seen: list[tuple[int, int]] = []
    load(tmp_path, spec(), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(64, 70), (70, 70)]

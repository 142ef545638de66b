"""What IN may be: every kind gives the same items in any ranges, and says what it is not."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from batch.errors import BatchError
from batch.items import Failure, Item
from batch.sources import open_source
from batch.sources.drawn import DrawnSource
from bundle import open_bundle
from inference.sampling import Priors
from tests.support.batch_jobs import make_parquet, make_tree, picture
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batch.sources import Source

IMAGES, LATENTS = ("images",), ("latents",)
PICTURES = [picture(number) for number in range(23)]
VECTORS = np.arange(23 * 4, dtype=np.float32).reshape(23, 4)


def fixed(vectors: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])


def all_items(source: Source) -> list[Item]:
    entries = list(source.entries())
    items = list(source.items(0, len(entries)))
    assert [(item.key, item.stamp) for item in items] == entries
    assert [item.number for item in items] == list(range(len(items)))
    return items


def arrays(items: list[Item]) -> np.ndarray:
    return np.array([item.content for item in items], np.float32)


def files(root: Path) -> Source:
    make_tree(root / "in", 23)
    return open_source(str(root / "in"), IMAGES)


def table_of_paths(root: Path) -> Source:
    make_tree(root / "in", 23)
    lines = ["path", *(f"{path.relative_to(root)}" for path in sorted(root.rglob("*.png")))]
    (root / "list.csv").write_text("\n".join(lines))
    return open_source(str(root / "list.csv"), IMAGES)


def parquets(root: Path) -> Source:
    make_parquet(root / "in/a.parquet", {"image": PICTURES[:12]})
    make_parquet(root / "in/b/c.parquet", {"image": PICTURES[12:]}, rows=4)
    return open_source(str(root / "in"), IMAGES)


def drawn(root: Path) -> Source:
    priors = Priors(open_bundle(write_tiny_bundle(root / "tiny")))
    return DrawnSource(23, partial(priors.stream, 7, 1.0, "fitted"))


@pytest.mark.parametrize("make", [files, table_of_paths, parquets, drawn])
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_any_ranges_give_what_one_gives(
    make: Callable[[Path], Source], tmp_path_factory: Any, data: st.DataObject
) -> None:
    source = make(tmp_path_factory.mktemp("source", numbered=True))
    whole = all_items(source)
    for _ in range(3):
        start = data.draw(st.integers(0, len(whole)))
        stop = data.draw(st.integers(start, len(whole)))
        part = list(source.items(start, stop))
        assert repr(part) == repr(whole[start:stop])


def test_a_folder_gives_images_by_name_and_counts_the_rest(tmp_path: Path) -> None:
    keys = make_tree(tmp_path, 6)
    for other in ("readme.txt", "a/x.txt", "a/none", ".secret.png"):
        (tmp_path / other).write_bytes(b"")
    source = open_source(str(tmp_path), IMAGES)
    items = all_items(source)
    assert [item.key for item in items] == keys
    assert [item.content for item in items] == [tmp_path / key for key in keys]
    assert source.notes() == (
        "passed over 3 files that are no images by name (2 .txt, 1 without suffix)",
    )


def test_a_pattern_takes_what_it_fits(tmp_path: Path) -> None:
    keys = make_tree(tmp_path, 9)
    source = open_source(f"{tmp_path}/[ab]/**/*.jpg", IMAGES)
    wanted = [key for key in keys if key[0] in "ab" and key.endswith(".jpg")]
    assert [item.key for item in all_items(source)] == wanted
    assert source.reaches(tmp_path / "a")
    assert not source.reaches(tmp_path / "c")


def test_the_stamp_changes_with_the_file(tmp_path: Path) -> None:
    keys = make_tree(tmp_path, 3)
    source = open_source(str(tmp_path), IMAGES)
    before = list(source.entries())
    os.utime(tmp_path / keys[1], ns=(1, 1))
    after = list(source.entries())
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


@pytest.mark.parametrize(
    "text",
    [
        "path\na/0000.png\n\nnone.png\n",
        "\ufeffid,file\n5,a/0000.png\n6,none.png\n",
        'key,path\n"x, y",a/0000.png\n,none.png\n',
    ],
)
def test_a_csv_names_files_beside_it(tmp_path: Path, text: str) -> None:
    make_tree(tmp_path, 1)
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    first, second = all_items(open_source(str(tmp_path / "list.csv"), IMAGES))
    assert (first.content, second.content) == (tmp_path / "a/0000.png", tmp_path / "none.png")
    assert (first.key, second.key) in {
        ("a/0000.png", "none.png"),
        ("5", "6"),
        ("x, y", "row 1"),
    }
    assert second.stamp == "-"


def test_columns_of_a_csv_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("sku,photo\n7,a.png\n8,\n")
    source = open_source(str(tmp_path / "list.csv"), IMAGES, column="photo", key="sku")
    first, second = all_items(source)
    assert (first.key, first.content) == ("7", tmp_path / "a.png")
    assert second.key == "8"
    assert isinstance(second.content, Failure)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("image", pa.array(PICTURES[:3], pa.binary())),
        ("image", pa.array(PICTURES[:3], pa.large_binary())),
        ("photo_1", pa.array([{"bytes": each, "path": None} for each in PICTURES[:3]])),
    ],
)
def test_parquet_holds_images(tmp_path: Path, column: str, values: pa.Array) -> None:
    make_parquet(tmp_path / "x.parquet", {"n": [1, 2, 3], column: values}, rows=2)
    items = all_items(open_source(str(tmp_path / "x.parquet"), IMAGES))
    assert [item.content for item in items] == PICTURES[:3]
    assert [item.key for item in items] == [f"x.parquet/{row:06d}" for row in range(3)]


@pytest.mark.parametrize(
    "values",
    [
        fixed(VECTORS),
        fixed(VECTORS.astype(np.float64)),
        fixed(VECTORS.astype(np.float16)),
        pa.array(VECTORS.tolist(), pa.list_(pa.float32())),
        pa.array(VECTORS.tolist(), pa.large_list(pa.float64())),
    ],
)
def test_parquet_holds_latents(tmp_path: Path, values: pa.Array) -> None:
    keys = [100 + row for row in range(23)]
    make_parquet(tmp_path / "x.parquet", {"key": keys, "mean": values, "text": ["a"] * 23})
    source = open_source(str(tmp_path / "x.parquet"), ("images", "latents"))
    items = all_items(source)
    assert source.takes == "latents"
    assert [item.key for item in items] == [str(key) for key in keys]
    np.testing.assert_array_equal(arrays(items), VECTORS)


def test_parquet_holds_paths(tmp_path: Path) -> None:
    keys = make_tree(tmp_path, 4)
    make_parquet(tmp_path / "x.parquet", {"path": [*keys, None]})
    items = all_items(open_source(str(tmp_path / "x.parquet"), IMAGES))
    assert [item.key for item in items] == [*keys, "x.parquet/000004"]
    assert [item.content for item in items[:4]] == [tmp_path / key for key in keys]
    assert items[4].content == Failure(
        "invalid_request", "the row's path is empty; leave such rows out"
    )


def test_images_come_before_latents_and_both_before_paths(tmp_path: Path) -> None:
    columns = {"path": ["a", "b"], "latent": fixed(VECTORS[:2]), "image": PICTURES[:2]}
    make_parquet(tmp_path / "x.parquet", columns)
    both = ("images", "latents")
    kinds = [
        open_source(str(tmp_path / "x.parquet"), takes, column=column).kind
        for takes, column in [(both, None), (LATENTS, None), (both, "latent"), (IMAGES, "path")]
    ]
    assert kinds == ["parquet image", "parquet latent", "parquet latent", "parquet path"]


@pytest.mark.parametrize("keyed", [False, True])
def test_a_damaged_row_group_is_lost_alone(tmp_path: Path, *, keyed: bool) -> None:
    columns: dict[str, Any] = {"image": PICTURES[:21]}
    if keyed:
        columns["key"] = [f"k{row}" for row in range(21)]
    path = tmp_path / "x.parquet"
    make_parquet(path, columns)
    with parquet.ParquetFile(path) as file:
        damaged = file.metadata.row_group(1).column(0)
        start = damaged.dictionary_page_offset or damaged.data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    items = all_items(open_source(str(path), IMAGES))
    assert len(items) == 21
    lost = [item for item in items if isinstance(item.content, Failure)]
    assert [item.number for item in lost] == list(range(7, 14))
    assert lost[0].key == ("k7" if keyed else "x.parquet/000007")
    assert isinstance(lost[0].content, Failure)
    assert lost[0].content.slug == "unreadable_file"


def test_latents_of_one_seed_are_those_of_the_prior(tmp_path: Path) -> None:
    priors = Priors(open_bundle(write_tiny_bundle(tmp_path / "tiny")))
    source = DrawnSource(2500, partial(priors.stream, 7, 1.0, "fitted"))
    found = arrays(list(source.items(2100, 2110)))
    np.testing.assert_array_equal(found, priors.draw(7, 2500, 1.0, "fitted")[2100:2110])


def write(path: Path, content: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


def test_what_is_no_input_is_refused(tmp_path: Path) -> None:
    make_parquet(tmp_path / "x.parquet", {"n": [1], "a": ["x"], "b": ["y"]})
    make_parquet(tmp_path / "p/a.parquet", {"image": PICTURES[:1]})
    make_parquet(tmp_path / "p/b.parquet", {"img": PICTURES[:1]})
    csv = write(tmp_path / "x.csv", b"a,b\n1,2\n")
    cut = (tmp_path / "p/a.parquet").read_bytes()[:-9]
    (tmp_path / "folder").mkdir()
    cases: list[tuple[str, tuple[Any, ...], dict[str, str], str]] = [
        (f"{tmp_path}/none", IMAGES, {}, "does not exist"),
        (f"{tmp_path}/none/*.png", IMAGES, {}, "cannot be listed"),
        (write(tmp_path / "x.zip", b""), IMAGES, {}, "of no kind that is read here"),
        (csv, IMAGES, {}, "has the columns a, b, and none is called path"),
        (csv, IMAGES, {"column": "c"}, "has no column 'c'"),
        (csv, LATENTS, {}, "can only hold images"),
        (write(tmp_path / "y.csv", b"path\n\xff\xfe"), IMAGES, {}, "cannot be read as CSV"),
        (str(tmp_path / "x.parquet"), IMAGES, {}, "name it with --column; .* b .string."),
        (str(tmp_path / "x.parquet"), LATENTS, {"column": "a"}, "no column 'a' of latents"),
        (str(tmp_path / "x.parquet"), IMAGES, {"column": "a", "key": "z"}, "no column 'z'"),
        (write(tmp_path / "c/cut.parquet", cut), IMAGES, {}, "no Parquet file that can be read"),
        (str(tmp_path / "p"), IMAGES, {}, "columns of b.parquet are not those of a.parquet"),
        (f"{tmp_path}/folder/*.parquet", IMAGES, {}, "fits no Parquet file"),
        (str(tmp_path / "folder"), IMAGES, {"column": "a"}, "no columns; leave out --column"),
        (str(tmp_path / "folder"), LATENTS, {}, "can only hold images"),
    ]
    for given_, takes, more, message in cases:
        with pytest.raises(BatchError, match=message):
            list(open_source(given_, takes, **more).entries())  # type: ignore[arg-type]

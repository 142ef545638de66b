"""Fitted images on disk: found again, fitted again when anything changed, never half-read."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bundle.manifest import ImageSpec
from tests.support.layouts import encoded, write_shard
from training.data import DataError, Dataset, Split, load
from training.data.cache import ENTRY, IMAGES
from training.data.packed import write_packed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPEC = ImageSpec(height=8, width=8, channels=3, resize="box", crop="centre")
COUNT = 150


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """150 photos of two classes; one is none."""
    for number in range(COUNT):
        path = tmp_path / "photos" / f"class{number % 2}" / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(number))
    (tmp_path / "photos" / "class1" / "007.png").write_bytes(b"no photo")
    return tmp_path / "photos"


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.is_dir())


class Counted:
    """Counts how often images are fitted."""

    fitted = 0

    def __call__(self, done: int, total: int) -> None:
        self.fitted += done == total


def same(one: Dataset, other: Dataset) -> None:
    np.testing.assert_array_equal(np.asarray(one.images), np.asarray(other.images))
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.splits, other.splits)
    assert (one.keys, one.attributes, one.problems) == (
        other.keys,
        other.attributes,
        other.problems,
    )


def test_the_cache_gives_what_memory_gives_and_fits_once(photos: Path, tmp_path: Path) -> None:
    counted, cache = Counted(), tmp_path / "cache"
    first = load(photos, SPEC, cache=cache, progress=counted)
    again = load(photos, SPEC, cache=cache, progress=counted)
    assert counted.fitted == 1
    assert isinstance(again.images, np.memmap)
    assert not again.images.flags.writeable
    assert len(again) == COUNT - 1
    assert again.problems.total == 1
    for data in (first, again):
        same(data, load(photos, SPEC))
    part = again.part(Split.TRAIN)
    np.testing.assert_array_equal(np.asarray(part.images), again.images[again.splits == 0])


def test_parquet_and_arrays_of_another_size_are_cached_too(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    write_shard(tmp_path / "hub" / "a.parquet", [encoded(n) for n in range(9)], {}, group=4)
    rng = np.random.default_rng(0)
    write_packed(
        tmp_path / "packed",
        images=rng.integers(0, 256, (9, 20, 20, 3), dtype=np.uint8),
        keys=[f"k{n}" for n in range(9)],
        attributes=(),
        labels=np.zeros((9, 0), np.bool_),
        name="p",
        licence="",
    )
    for name in ("hub", "packed"):
        for _ in range(2):
            same(load(tmp_path / name, SPEC, cache=cache), load(tmp_path / name, SPEC))
    assert len(entries(cache)) == 2
    fitting = ImageSpec(height=20, width=20, channels=3, resize="box", crop="centre")
    load(tmp_path / "packed", fitting, cache=cache)
    assert len(entries(cache)) == 2, "a packed set of the right size is mapped where it is"


CHANGES: dict[str, Callable[[Path], object]] = {
    "another image": lambda root: (root / "class0" / "000.png").write_bytes(encoded(99, size=11)),
    "another time": lambda root: os.utime(root / "class0" / "000.png", ns=(1, 1)),
    "one more": lambda root: (root / "class0" / "new.png").write_bytes(encoded(5)),
    "one less": lambda root: (root / "class0" / "000.png").unlink(),
    "another name": lambda root: (root / "class0" / "000.png").rename(root / "class1" / "0.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_source_is_fitted_anew(photos: Path, tmp_path: Path, change: str) -> None:
    cache = tmp_path / "cache"
    load(photos, SPEC, cache=cache)
    CHANGES[change](photos)
    same(load(photos, SPEC, cache=cache), load(photos, SPEC))
    assert len(entries(cache)) == 2


def test_other_specifications_and_limits_have_entries_of_their_own(
    photos: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    load(photos, SPEC, cache=cache)
    for other in ({"height": 4}, {"crop": "pad"}, {"resize": "lanczos"}, {"channels": 1}):
        spec = SPEC.model_copy(update=other)
        same(load(photos, spec, cache=cache), load(photos, spec))
    same(load(photos, SPEC, cache=cache, limit=20), load(photos, SPEC, limit=20))
    assert len(entries(cache)) == 6


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut short": lambda entry: os.truncate(entry / IMAGES, 100),
    "images gone": lambda entry: (entry / IMAGES).unlink(),
    "no description": lambda entry: (entry / ENTRY).unlink(),
    "half a description": lambda entry: os.truncate(entry / ENTRY, 20),
    "other shape": lambda entry: (entry / ENTRY).write_text(
        (entry / ENTRY).read_text().replace("[149,8,8,3]", "[149,8,4,6]")
    ),
    "other items": lambda entry: (entry / ENTRY).write_text(
        (entry / ENTRY).read_text().replace('"lost":[78]', '"lost":[900]')
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_fitted_anew(photos: Path, tmp_path: Path, damage: str) -> None:
    cache, counted = tmp_path / "cache", Counted()
    whole = load(photos, SPEC, cache=cache)
    wanted = np.array(whole.images)
    entry = cache / entries(cache)[0]
    before = [file.read_bytes() for file in sorted(entry.iterdir())]
    DAMAGES[damage](entry)
    assert [file.read_bytes() for file in sorted(entry.iterdir())] != before
    data = load(photos, SPEC, cache=cache, progress=counted)
    np.testing.assert_array_equal(data.images, wanted)
    assert counted.fitted == 1


KILLED = """
import sys
from pathlib import Path
from bundle.manifest import ImageSpec
from training.data import load

def progress(done, total):
    print("fitted", done, flush=True)
    sys.stdin.read()

load(Path(sys.argv[1]), ImageSpec.model_validate_json(sys.argv[2]), cache=Path(sys.argv[3]),
     progress=progress)
"""


def test_what_a_killed_process_left_is_not_read(photos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    words = [sys.executable, "-c", KILLED, str(photos), SPEC.model_dump_json(), str(cache)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"fitted")
        process.kill()
    assert [name for name in entries(cache) if name.endswith(".writing")]
    same(load(photos, SPEC, cache=cache), load(photos, SPEC))
    assert len(entries(cache)) == 1


def test_a_reading_that_is_broken_off_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(photos, SPEC, cache=tmp_path / "cache", progress=stop)
    assert entries(tmp_path / "cache") == []


def test_two_readers_at_once_fit_once(photos: Path, tmp_path: Path) -> None:
    counted = Counted()

    def read(_: int) -> Dataset:
        return load(photos, SPEC, cache=tmp_path / "cache", progress=counted)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(read, range(2))
    same(one, other)
    assert counted.fitted == 1


def test_nothing_readable_is_said_as_without_a_cache(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "1.png").write_bytes(b"?")
    for _ in range(2):
        with pytest.raises(DataError, match=r"no image that can be read(.|\n)*1 × image that"):
            load(tmp_path / "set", SPEC, cache=tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_a_clear_error(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"the cache .*file cannot be used: .* GB free"):
        load(photos, SPEC, cache=tmp_path / "file")

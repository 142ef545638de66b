"""A set larger than memory: from the first reading to the last batch, memory does not follow it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.layouts import encoded, write_shard
from training.data.packed import write_packed

if TYPE_CHECKING:
    from collections.abc import Callable

ITEMS = 15_000
SET_MB = ITEMS * 64 * 64 * 3 / 1e6
BOUND_MB = 60

MEASURE = """
import sys, threading
from pathlib import Path
from bundle.manifest import ImageSpec
from training.batches import ordered_loader, training_loader
from training.data import Split, load
from training.detail import pixel_weights

def anonymous():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1e3

def watch():
    global peak
    while not done.wait(0.01):
        peak = max(peak, anonymous())

done, before = threading.Event(), anonymous()
peak = before
watcher = threading.Thread(target=watch)
watcher.start()
spec = ImageSpec(height=64, width=64, channels=3, resize="box", crop="centre")
data = load(Path(sys.argv[1]), spec, cache=Path(sys.argv[2]) if len(sys.argv) > 2 else None)
training, rest = data.part(Split.TRAIN), data.part(Split.VALIDATION, Split.TEST)
seen = sum(len(pixels) for pixels, _ in training_loader(training, 64, seed=0)[0])
seen += sum(len(pixels) for pixels, _ in ordered_loader(rest, 64))
pixel_weights(training.images, training.labels, 0.5)
done.set()
watcher.join()
print(len(data), seen, peak - before)
"""


def a_hub(root: Path) -> None:
    face = [encoded(number, size=8) for number in range(100)]
    for number in range(3):
        images = face * (ITEMS // 300)
        hats: list[object] = [row % 7 == 0 for row in range(len(images))]
        write_shard(root / f"{number}.parquet", images, {"hat": hats})


def a_packed_set(root: Path) -> None:
    write_packed(
        root,
        images=np.zeros((ITEMS, 64, 64, 3), np.uint8),
        keys=[f"face-{number}" for number in range(ITEMS)],
        attributes=("hat",),
        labels=np.arange(ITEMS)[:, None] % 7 == 0,
        name="packed",
        licence="",
    )


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the kernel tells anonymous memory there only"
)
@pytest.mark.parametrize(
    ("make", "cached"), [(a_hub, True), (a_packed_set, False)], ids=["Parquet", "packed"]
)
def test_reading_and_an_epoch_need_little_memory(
    tmp_path: Path, make: Callable[[Path], None], cached: bool
) -> None:
    make(tmp_path / "set")
    words = [str(tmp_path / "set"), *([str(tmp_path / "cache")] * cached)]
    ended = subprocess.run(
        [sys.executable, "-c", MEASURE, *words], capture_output=True, text=True, check=True
    )
    items, seen, anonymous_mb = map(float, ended.stdout.split())
    assert items == ITEMS
    assert seen > 0.99 * items
    assert SET_MB > 3 * BOUND_MB
    assert anonymous_mb < BOUND_MB

"""Image sets in the layouts that their authors give them out in, small, for the readers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from training.data.celeba import ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CELEBA_NAMES = tuple("_".join(word.capitalize() for word in name.split("_")) for name in ATTRIBUTES)


def encoded(level: int, size: int = 10, kind: str = "PNG") -> bytes:
    """An image file of one grey level."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), (level, level, level)).save(file, kind)
    return file.getvalue()


def celeba_labels(count: int) -> NDArray[np.bool_]:
    """Bool [count, 40]."""
    return np.random.default_rng(count).random((count, len(CELEBA_NAMES))) < 0.5


def face_name(number: int) -> str:
    """``000001.jpg`` for the first."""
    return f"{number + 1:06d}.jpg"


def write_torchvision(root: Path, count: int, *, declared: int | None = None) -> None:
    """CelebA with text lists; image i has the grey level 3·i, and every fifth is official test."""
    _write_faces(root / "img_align_celeba", count)
    rows = [
        f"{face_name(i)} " + " ".join(f"{1 if on else -1:2d}" for on in row)
        for i, row in enumerate(celeba_labels(count))
    ]
    head = [str(count if declared is None else declared), " ".join(CELEBA_NAMES)]
    (root / "list_attr_celeba.txt").write_text("\n".join([*head, *rows]) + "\n")
    parts = [f"{face_name(i)} {_part(i)}" for i in range(count)]
    (root / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")
    (root / "identity_CelebA.txt").write_text("000001.jpg 2880\n")


def write_kaggle(root: Path, count: int) -> None:
    """The same with CSV lists and the folder of images in one of its own name."""
    _write_faces(root / "img_align_celeba" / "img_align_celeba", count)
    rows = [
        ",".join([face_name(i), *(("1" if on else "-1") for on in row)])
        for i, row in enumerate(celeba_labels(count))
    ]
    lines = [",".join(["image_id", *CELEBA_NAMES]), *rows]
    (root / "list_attr_celeba.csv").write_text("\n".join(lines) + "\n")
    parts = ["image_id,partition", *(f"{face_name(i)},{_part(i)}" for i in range(count))]
    (root / "list_eval_partition.csv").write_text("\n".join(parts) + "\n")
    (root / "list_bbox_celeba.csv").write_text("image_id,x_1,y_1,width,height\n")


def write_shard(
    path: Path,
    images: Sequence[bytes | None],
    columns: dict[str, list[object]],
    *,
    struct: bool = True,
    group: int | None = None,
) -> None:
    """A Parquet file as a hub has it: ``image`` as bytes, or as a struct with bytes and path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells: pa.Array
    if struct:
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        rows = [{"bytes": image, "path": face_name(i)} for i, image in enumerate(images)]
        cells = pa.array(rows, kind)
    else:
        cells = pa.array(images, pa.binary())
    table = pa.table({"image": cells, **columns})
    parquet.write_table(table, path, row_group_size=group)


def _part(number: int) -> int:
    return {3: 1, 4: 2}.get(number % 5, 0)


def _write_faces(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / face_name(number)).write_bytes(encoded(3 * number, kind="JPEG"))

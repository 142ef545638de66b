from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from tests.support.pictures import pictures
from training.batches import ordered_loader, to_unit
from training.calibrated import CalibratedModule
from training.flips import common_rows
from training.presets import PRESETS
from training.sheets import sheet, tile, to_images, write_png

if TYPE_CHECKING:
    from pathlib import Path


def test_tiles_lie_in_their_places() -> None:
    rows = [np.full((2, 3, 4, 3), 10, np.uint8), np.full((1, 3, 4, 3), 20, np.uint8)]
    sheet_ = tile(rows)
    assert sheet_.shape == (3 + 2 + 3, 4 + 2 + 4, 3)
    assert (sheet_[:3, :4] == 10).all()
    assert (sheet_[:3, 4:6] == 255).all()
    assert (sheet_[5:, :4] == 20).all()
    assert (sheet_[5:, 6:] == 255).all()
    assert tile(rows, scale=2).shape == (16, 20, 3)


def test_unit_images_become_grey_levels() -> None:
    unit = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1)
    assert to_images(unit).reshape(-1).tolist() == [0, 128, 255]


def test_a_sheet_has_a_row_for_each_attribute(tmp_path: Path) -> None:
    preset = PRESETS["fashion-32"].model_copy(
        update={
            "image": PRESETS["fashion-32"].image.model_copy(update={"height": 16, "width": 16}),
            "widths": (8, 16),
            "latent": 3,
        }
    )
    data = pictures(40)
    module = CalibratedModule(
        preset,
        seed=0,
        pixel_weights=torch.ones(16, 16),
        label_rows=torch.from_numpy(common_rows(data.labels)).float(),
        judge=None,
        steps_per_epoch=1,
    ).eval()
    pixels, labels = next(iter(ordered_loader(data, 40)))
    picture = sheet(module, to_unit(pixels), labels)
    assert picture.shape == (6 * 18 - 2, 16 * 18 - 2, 3)
    np.testing.assert_array_equal(picture[:16, :16], np.repeat(data.images[0], 3, axis=2))
    write_png(tmp_path / "new" / "sheet.png", picture)
    with Image.open(tmp_path / "new" / "sheet.png") as file:
        np.testing.assert_array_equal(np.asarray(file), picture)

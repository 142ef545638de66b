"""Pictures of every mode become the model's uint8 [H, W, C]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from PIL import Image

from bundle.manifest import ImageSpec
from inference import images
from training.data.fit import MAX_PIXELS, fit_array, fit_image, read_image

if TYPE_CHECKING:
    from pathlib import Path


def spec(
    height: int = 4,
    width: int = 4,
    channels: Literal[1, 3] = 3,
    crop: Literal["centre", "pad", "squash"] = "centre",
) -> ImageSpec:
    return ImageSpec(height=height, width=width, channels=channels, resize="box", crop=crop)


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (Image.new("RGB", (8, 8), (10, 20, 30)), (10, 20, 30)),
        (Image.new("L", (8, 8), 77), (77, 77, 77)),
        (Image.new("LA", (8, 8), (0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (8, 8), (200, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (8, 8), (200, 0, 0, 255)), (200, 0, 0)),
        (Image.new("1", (8, 8), 1), (255, 255, 255)),
        (Image.fromarray(np.full((8, 8), 0x8123, np.uint16)), (129, 129, 129)),
        (Image.fromarray(np.full((8, 8), 70_000, np.int32)), (255, 255, 255)),
        (Image.new("CMYK", (8, 8), (0, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGB", (8, 8), (1, 2, 3)).quantize(2), (1, 2, 3)),
    ],
    ids=["RGB", "L", "LA", "clear", "opaque", "1", "I;16", "I", "CMYK", "P"],
)
def test_modes(image: Image.Image, wanted: tuple[int, int, int]) -> None:
    assert fit_image(image, spec())[2, 2].tolist() == list(wanted)
    assert fit_image(image, spec(channels=1)).shape == (4, 4, 1)


def test_crop_rules_place_the_picture() -> None:
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 2:6] = 200
    assert (fit_array(wide, spec()) == 200).all()
    padded = fit_array(wide, spec(crop="pad"))
    assert padded[0].max() == 0
    assert padded[2, :, 0].tolist() == [0, 200, 200, 0]
    assert fit_array(wide, spec(crop="squash"))[0, :, 0].tolist() == [0, 200, 200, 0]


def test_array_of_the_right_size_passes_untouched() -> None:
    array = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert fit_array(array, spec()) is array
    assert fit_array(array[..., 0], spec(channels=1))[..., 0].tolist() == array[..., 0].tolist()


def test_photo_is_turned_upright_and_a_film_gives_its_first_frame(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8))
    image.paste((255, 255, 255), (0, 0, 8, 4))
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    image.save(tmp_path / "turned.png", exif=exif)
    turned = read_image(tmp_path / "turned.png", spec())
    assert (turned[0, 0, 0], turned[3, 3, 0]) == (0, 255)
    frames = [Image.new("L", (8, 8), level) for level in (40, 200)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "film.gif", spec())[0, 0, 0] == 40


def test_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (8001, 8001)).save(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match=r"8001 × 8001 is 64\.0 megapixels, the limit is 64"):
        read_image(tmp_path / "bomb.png", spec())
    assert MAX_PIXELS < 8001 * 8001


@pytest.mark.parametrize("crop", ["centre", "pad", "squash"])
@pytest.mark.parametrize("resize", ["box", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1"])
def test_training_sees_what_serving_sees(
    tmp_path: Path,
    crop: Literal["centre", "pad", "squash"],
    resize: Literal["box", "bilinear", "bicubic", "lanczos"],
    mode: str,
) -> None:
    """A model must be served the arrays that it was trained on."""
    noise = np.random.default_rng(7).integers(0, 256, (23, 37, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / "photo.png"
    Image.fromarray(noise).convert(mode).save(file, exif=exif)
    for channels in (1, 3):
        wanted = ImageSpec(height=16, width=12, channels=channels, resize=resize, crop=crop)
        served = images.decode(file.read_bytes(), wanted, images.ImageLimits(1_000_000))
        np.testing.assert_array_equal(read_image(file, wanted), served)
        grey = noise[:, :, :1]
        np.testing.assert_array_equal(fit_array(grey, wanted), images.fit(grey, wanted))

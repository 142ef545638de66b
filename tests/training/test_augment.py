"""Changes of training images: within their bounds, each image's own, and repeatable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from training.augment import Augmentation, augment
from training.draws import Draws

ALL = Augmentation(mirror=0.5, move=0.1, zoom=0.1, brightness=0.2, colour=0.1)


def _noise(count: int, channels: int = 3, size: int = 16) -> torch.Tensor:
    return torch.rand((count, channels, size, size), generator=torch.Generator().manual_seed(99))


def _squares(count: int, size: int = 20) -> torch.Tensor:
    """A white square of eight pixels in the middle of grey."""
    image = torch.full((count, 1, size, size), 0.25)
    image[:, :, 6:14, 6:14] = 1.0
    return image


def test_no_option_leaves_every_bit() -> None:
    image = _noise(5)
    assert torch.equal(augment(image, Augmentation(), Draws(0)), image)


def test_a_seed_gives_the_same_images_again_and_each_image_its_own() -> None:
    image = _noise(1).expand(16, -1, -1, -1)
    first = augment(image, ALL, Draws(3))
    assert torch.equal(first, augment(image, ALL, Draws(3)))
    assert not torch.equal(first, augment(image, ALL, Draws(4)))
    assert len({one.numpy().tobytes() for one in first}) == 16


def test_mirror_turns_its_share_and_leaves_the_others() -> None:
    image = _noise(400, channels=1, size=4)
    changed = augment(image, Augmentation(mirror=0.25), Draws(0))
    turned = (changed == image.flip(3)).flatten(1).all(1)
    same = (changed == image).flatten(1).all(1)
    assert torch.equal(turned, ~same)
    assert 0.18 < turned.float().mean() < 0.32
    assert torch.equal(augment(image, Augmentation(mirror=1.0), Draws(0)), image.flip(3))


def test_mirror_and_move_together_turn_the_same_images() -> None:
    image = _noise(40)
    alone = augment(image, Augmentation(mirror=0.5), Draws(0))
    both = augment(image, Augmentation(mirror=0.5, move=1e-9), Draws(0))
    torch.testing.assert_close(alone, both, atol=1e-4, rtol=0)


def test_a_move_goes_every_way_and_no_further_than_said() -> None:
    size, share = 20, 0.2
    changed = augment(_squares(200, size), Augmentation(move=share), Draws(0))
    light = changed[:, 0] - 0.25
    places = torch.arange(size, dtype=torch.float32)
    for axis in (1, 2):
        centre = (light.sum(3 - axis) * places).sum(1) / light.sum((1, 2)) - 9.5
        assert centre.abs().max() <= share * size + 1e-3
        assert centre.min() < -0.7 * share * size
        assert centre.max() > 0.7 * share * size


def test_zoom_magnifies_and_shrinks_within_its_bounds() -> None:
    changed = augment(_squares(200), Augmentation(zoom=0.25), Draws(0))
    side = ((changed - 0.25).sum((1, 2, 3)) / 0.75).sqrt() / 8
    assert 0.74 < side.min() < 0.85
    assert 1.15 < side.max() < 1.26


def test_light_changes_all_channels_alike_and_colour_each() -> None:
    image = torch.full((100, 3, 2, 2), 0.5)
    lit = augment(image, Augmentation(brightness=0.2), Draws(0))[:, :, 0, 0]
    assert torch.equal(lit[:, 0], lit[:, 2])
    assert 0.4 <= lit.min() < 0.42
    assert 0.58 < lit.max() <= 0.6
    tinted = augment(image, Augmentation(colour=0.2), Draws(0))[:, :, 0, 0]
    assert (tinted[:, 0] - tinted[:, 2]).abs().max() > 0.1
    grey = image[:, :1]
    assert torch.equal(augment(grey, Augmentation(colour=0.2), Draws(0)), grey)


def test_switching_one_change_off_leaves_the_others() -> None:
    image = torch.full((20, 3, 2, 2), 0.5)
    lit = augment(image, Augmentation(brightness=0.2), Draws(0))
    with_move = augment(image, Augmentation(brightness=0.2, move=0.2, mirror=0.5), Draws(0))
    torch.testing.assert_close(lit, with_move)


@given(
    st.integers(1, 5),
    st.sampled_from([1, 3]),
    st.integers(2, 9),
    st.builds(
        Augmentation,
        mirror=st.floats(0, 1),
        move=st.floats(0, 0.25),
        zoom=st.floats(0, 0.5),
        brightness=st.floats(0, 0.5),
        colour=st.floats(0, 0.5),
    ),
)
def test_images_stay_images(count: int, channels: int, size: int, options: Augmentation) -> None:
    image = _noise(count, channels, size)
    changed = augment(image, options, Draws(0))
    assert changed.shape == image.shape
    assert changed.dtype == image.dtype
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_several_processes_change_the_images_as_one_would() -> None:
    image = _noise(8)
    alone = augment(image, ALL, Draws(5))
    for part in (0, 1):
        torch.testing.assert_close(
            augment(image[part::2], ALL, Draws(5, part=part, parts=2)), alone[part::2]
        )


def test_options_out_of_bounds_and_unknown_ones_are_refused() -> None:
    for wrong in ({"mirror": 1.1}, {"move": -0.1}, {"turn": 0.1}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            Augmentation.model_validate(wrong)


def test_the_document_names_every_option_and_its_command_is_valid() -> None:
    document = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    (asked,) = re.findall(r"--set 'augment=(\{.*\})'", document)
    assert Augmentation.model_validate_json(asked).mirror == 0.5
    for name, field in Augmentation.model_fields.items():
        highest = next(limit.le for limit in field.metadata if hasattr(limit, "le"))
        assert re.search(rf"^\| `{name}` \|.*\| 0 to {highest:g} \|$", document, re.MULTILINE)

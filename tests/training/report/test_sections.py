"""Sections on every kind of model and data set, from a model that is a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.report_material import Stripes, class_labels, material, random_labels
from training.data import Split
from training.report.moves import STRENGTHS, arithmetic, interpolation, shifts
from training.report.overview import facts, grouped, learning, tiles
from training.report.parts import Figure, Note, Section
from training.report.rebuilt import BOX_POINTS, reconstructions, samples
from training.report.space import decoded_grid, latent_map, latent_section
from training.report.svg import Plot

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.report.material import Material

ATTRIBUTES = ("hat", "long_hair")
LABELS = random_labels(60, 2)
CLASSES = class_labels(60, 3)
KINDS = ("shirt", "coat", "bag")


def _titles(section: Section) -> list[str]:
    return [item.title for item in section.items if isinstance(item, Figure)]


def _notes(section: Section) -> str:
    return " ".join(item.text for item in section.items if isinstance(item, Note))


def _svg(section: Section) -> str:
    return "".join(
        item.body.svg
        for item in section.items
        if isinstance(item, Figure) and isinstance(item.body, Plot)
    )


@pytest.mark.parametrize(
    "build",
    [
        learning,
        reconstructions,
        samples,
        latent_map,
        decoded_grid,
        latent_section,
        shifts,
        interpolation,
        arithmetic,
    ],
)
@pytest.mark.parametrize(
    "given",
    [
        material(LABELS, ATTRIBUTES),
        material(CLASSES, KINDS, latent=2),
        material(LABELS[:, :0], (), latent=2, variational=False),
        material(LABELS[:, :1], ATTRIBUTES[:1], latent=1),
        material(LABELS[:4], ATTRIBUTES, variational=False),
    ],
    ids=["attributes", "classes", "plain", "one latent", "four images"],
)
def test_a_section_shows_something_or_says_why_not(
    build: Callable[[Material], Section], given: Material
) -> None:
    section = build(given)
    assert section.items
    assert section.lead or _notes(section)
    for item in section.items:
        assert item.text if isinstance(item, Note) else item.title


def test_a_plane_has_its_unit_square_only_with_a_posterior() -> None:
    vae = latent_map(material(CLASSES, KINDS, latent=2))
    assert _titles(vae) == ["By class", "Draws on the unit square"]
    assert "Φ(z1)" in _svg(vae)
    plain = latent_map(material(CLASSES, KINDS, latent=2, variational=False))
    assert _titles(plain) == ["By class"]
    assert "normal CDF" in _notes(plain)
    high = latent_map(material(LABELS, ATTRIBUTES, latent=4))
    assert _titles(high) == ["By attribute"]
    assert "first principal axis" in _svg(high)


def test_draws_of_a_plain_autoencoder_come_from_the_prior_and_the_box() -> None:
    plain = samples(material(CLASSES, KINDS, latent=2, variational=False))
    assert _titles(plain) == [
        "From the fitted prior",
        "Where even draws fall",
        "The same points decoded",
    ]
    assert f">{BOX_POINTS}<" in _svg(plain)
    assert "plain autoencoder" in _notes(plain)
    high = samples(material(CLASSES, KINDS, latent=4, variational=False))
    assert _titles(high) == ["From the fitted prior"]
    vae = samples(material(CLASSES, KINDS, latent=2))
    assert _titles(vae) == ["From the fitted prior", "From N(0, I)"]


@pytest.mark.parametrize(
    ("latent", "variational", "words"),
    [(2, True, "Φ⁻¹"), (2, False, "bounding box"), (3, True, "principal axis")],
)
def test_the_grid_is_that_of_the_space(latent: int, variational: bool, words: str) -> None:
    section = decoded_grid(material(CLASSES, KINDS, latent=latent, variational=variational))
    (figure,) = section.items
    assert isinstance(figure, Figure)
    assert words in section.lead + figure.caption


def test_a_strip_starts_from_without_and_from_with() -> None:
    section = shifts(material(LABELS, ATTRIBUTES))
    assert _titles(section) == ["hat", "long hair"]
    (figure, _) = section.items
    assert isinstance(figure, Figure)
    assert isinstance(figure.body, tuple)
    (strip,) = figure.body
    assert strip.rows == ("without", "with")
    assert strip.columns == ("original", "−2", "−1", "−0.5", "0", "0.5", "1", "2")
    assert len(strip.columns) == 1 + len(STRENGTHS)


class _Heard(Stripes):
    """Writes down what it decodes."""

    def __init__(self, latent: int) -> None:
        super().__init__(latent)
        self.heard: list[np.ndarray] = []

    def decode(self, latents: np.ndarray) -> np.ndarray:
        self.heard.append(latents)
        return super().decode(latents)


def test_a_strip_moves_by_strength_times_direction() -> None:
    model = _Heard(3)
    given = material(LABELS, ATTRIBUTES, model=model)
    shifts(given)
    place = np.flatnonzero(~LABELS[:, 0])[0]
    wanted = given.mean[place] + np.array(STRENGTHS)[:, None] * given.directions[0]
    np.testing.assert_allclose(model.heard[0], wanted, rtol=1e-5, atol=1e-5)


def test_arithmetic_is_done_with_means_of_groups() -> None:
    model = _Heard(3)
    given = material(LABELS, ATTRIBUTES, model=model)
    section = arithmetic(given)
    assert _titles(section) == ["(hat, long hair) − (no hat, long hair) + (no hat, no long hair)"]
    hat, hair = LABELS.T
    sides = (hat & hair, ~hat & hair, ~hat & ~hair, hat & ~hair)
    a, b, c, wanted = (given.mean[side][:3].mean(axis=0) for side in sides)
    np.testing.assert_allclose(model.heard[0], (a, b, c, a - b + c, wanted), atol=1e-5)


def test_class_arithmetic_swaps_the_class_mean() -> None:
    model = _Heard(3)
    given = material(CLASSES, KINDS, model=model)
    arithmetic(given)
    latent, own, other, moved = model.heard[0]
    np.testing.assert_allclose(moved, latent - own + other, atol=1e-5)
    means = [given.mean[CLASSES[:, kind]].mean(axis=0) for kind in range(3)]
    assert sum(np.allclose(own, mean, atol=1e-5) for mean in means) == 1


def test_what_cannot_be_added_up_is_explained() -> None:
    assert "this set has 1" in _notes(arithmetic(material(LABELS[:, :1], ("hat",))))
    alike = np.stack((LABELS[:, 0], LABELS[:, 0]), axis=1)
    assert "all four combinations" in _notes(arithmetic(material(alike, ATTRIBUTES)))


def test_the_worst_reconstructions_are_the_worst() -> None:
    given = material(LABELS, ATTRIBUTES)
    broken = given.images.copy()
    broken[7] = 255 - 255 * (np.indices(broken[7].shape).sum(axis=0) % 2)
    given = material(LABELS, ATTRIBUTES, images=broken.astype(np.uint8))
    assert given.squared_errors.argmax() == 7
    worst = reconstructions(given).items[1]
    assert isinstance(worst, Figure)
    assert f"({-10 * np.log10(given.squared_errors[7]):.1f} dB)" in worst.caption


def test_images_that_were_learnt_are_not_called_held_out() -> None:
    assert "has not met" in reconstructions(material(LABELS, ATTRIBUTES)).lead
    learnt = material(LABELS, ATTRIBUTES, unseen=False, part=Split.VALIDATION)
    assert "has learnt from these images too" in reconstructions(learnt).lead


def test_losses_are_drawn_as_they_were_logged() -> None:
    curves = {
        "train/loss": ((1, 5.0), (2, 4.0)),
        "train/kl": ((1, 2.0), (2, 3.0)),
        "val/kl": ((1, 2.5), (2, 3.5)),
        "val/psnr": ((1, 10.0), (2, 12.5)),
        "val/of_tomorrow": ((1, 0.5), (2, 0.25)),
        "lr": ((1, 1.0),),
    }
    section = learning(material(LABELS, ATTRIBUTES, curves=curves))
    svg = _svg(section)
    places = [svg.index(f">{title}<") for title in ("objective", "KL: nats per image")]
    assert places == sorted(places)
    assert ">of_tomorrow<" in svg
    assert ">lr<" not in svg
    (figure,) = section.items
    assert isinstance(figure, Figure)
    assert "kl 3.5, psnr 12.5" in figure.caption
    assert "no log" in _notes(learning(material(LABELS, ATTRIBUTES)))


def test_the_head_tells_a_vae_from_a_plain_autoencoder() -> None:
    names = [tile.name for tile in tiles(material(LABELS, ATTRIBUTES))]
    assert names == ["PSNR", "KL", "active latents", "parameters"]
    plain = material(LABELS, ATTRIBUTES, variational=False)
    assert "KL" not in [tile.name for tile in tiles(plain)]
    shown = {fact.name: fact.value for fact in facts(plain)}
    assert "plain autoencoder" in shown["latents"]
    assert shown["trained"] == "2025-01-02 03:04 UTC"
    assert shown["attributes"] == "hat, long_hair"
    assert shown["epochs"] == "2 planned"
    assert "begun from" not in shown
    assert grouped(1234567) == "1\u202f234\u202f567"

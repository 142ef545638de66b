"""What lies between pairs, where that is known: images on a ring, and a decoder with a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.linear_model import LinearModel
from training.evaluation.interpolations import (
    STEPS,
    Interpolation,
    measure_interpolation,
    unevenness,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNT = 300


def _pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.reshape(len(images), -1).astype(np.float32)


def _measured(
    model: LinearModel, means: NDArray[np.float32], **known: int
) -> dict[str, Interpolation]:
    found = measure_interpolation(
        model, _pixels, model.decode(means), means, draws=100, step_pairs=50, **known
    )
    return {one.path: one for one in found}


def _ring() -> NDArray[np.float32]:
    angles = np.random.default_rng(0).uniform(0.0, 2.0 * np.pi, COUNT)
    return 2.0 * np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)


def test_on_a_ring_the_arc_stays_among_the_images_and_the_line_does_not() -> None:
    found = _measured(LinearModel(gain=0.4), _ring())
    line, arc = found["linear"], found["spherical"]
    assert (arc.pairs, arc.step_pairs) == (COUNT // 2, 50)
    assert arc.inside > 0.95
    assert line.inside < 0.3
    assert line.inside_ends == arc.inside_ends == 1.0
    assert 5 * arc.distance < line.distance
    assert arc.distance_ends == line.distance_ends


def test_a_linear_decoder_goes_evenly() -> None:
    step = _measured(LinearModel(gain=0.4), _ring())["linear"].step
    assert 1.0 <= step.low <= step.value <= step.high < 1.2


class Stepping(LinearModel):
    """Knows two images only, one for each side of 0."""

    def decode_unit(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        return super().decode_unit(np.where(latents > 0, 1.0, -1.0).astype(np.float32))


def test_a_decoder_with_a_jump_is_uneven_by_the_whole_way() -> None:
    """Half of the pairs lie on two sides: one step of ten there, none for the others."""
    means = np.random.default_rng(1).standard_normal((COUNT, 1)).astype(np.float32)
    for one in _measured(Stepping(1), means).values():
        crossing = (one.step.value - 1.0) / (STEPS - 2.0)
        assert 0.3 < crossing < 0.7
        assert crossing * one.step_pairs == pytest.approx(round(crossing * one.step_pairs))
        assert one.step.low < one.step.value < one.step.high


def test_unevenness_is_the_longest_step_over_the_mean() -> None:
    even = np.arange(5.0)[:, None] * [1.0, 2.0]
    jump = np.repeat([[0.0, 0.0], [3.0, 4.0]], [2, 3], axis=0)
    uneven = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [4.0, 1.0], [4.0, 2.0]])
    still = np.ones((5, 2))
    ways = np.stack((even, jump, uneven, still)).astype(np.float32)
    np.testing.assert_allclose(unevenness(ways), [1.0, 4.0, 2.0, 1.0])


def test_pairs_and_steps_can_be_cut_down_and_the_seed_decides() -> None:
    model, means = LinearModel(), _ring()
    few = _measured(model, means, pairs=20)["linear"]
    assert (few.pairs, few.step_pairs) == (20, 20)
    assert _measured(model, means, pairs=20)["linear"] == few
    assert _measured(model, means, pairs=20, seed=1)["linear"] != few


def test_every_image_is_an_end_of_one_pair_at_most() -> None:
    class Listening(LinearModel):
        heard: list[NDArray[np.float32]]

        def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
            self.heard.append(latents)
            return super().decode(latents)

    model, means = Listening(), _ring()[:40]
    model.heard = []
    images = LinearModel().decode(means)
    told: list[tuple[int, int]] = []
    measure_interpolation(
        model,
        _pixels,
        images,
        means,
        step_pairs=20,
        draws=0,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 2), (2, 2)]
    way = model.heard[2].reshape(20, STEPS, 2)
    ends = np.concatenate((way[:, 0], way[:, -1]))
    assert sorted(map(tuple, ends.tolist())) == sorted(map(tuple, means.tolist()))


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="11 images make 5 pairs, but more than 5 are needed"):
        _measured(LinearModel(), _ring()[:11])
    assert _measured(LinearModel(), _ring()[:12])["linear"].pairs == 6

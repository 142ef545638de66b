"""The ladder: which sets of images are nearer to the test images than others."""

from __future__ import annotations

import numpy as np
import pytest

from bundle.prior import Prior
from tests.support.linear_model import LinearModel
from training.data.progress import silent
from training.evaluation.extractors import Extractor
from training.evaluation.fidelity import Ladder, Source, climb
from training.evaluation.rungs import (
    BOUND,
    FITTED,
    NORMAL,
    REBUILT,
    TRAINING,
    choice,
    chunks,
    sources,
)

PLAIN = Extractor("plain", 3, lambda images: images.reshape(len(images), -1).astype(np.float32))


def points(count: int, *, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    """uint8 [N, 1, 1, 3]: three grey levels are three features."""
    levels = 128 + 10 * np.random.default_rng(seed).standard_normal((count, 1, 1, 3)) + shift
    return np.rint(levels).astype(np.uint8)


def ladder(found: list[Source], real: np.ndarray) -> Ladder:
    return climb([PLAIN], real, found, seed=0, progress=silent)[0]


def test_figures_of_a_set_do_not_depend_on_the_extractors_scale_and_zero() -> None:
    real, moved = points(300), Source("moved", lambda _: points(300, shift=5, seed=1))
    loud = Extractor("loud", 3, lambda images: 1000 * PLAIN.read(images) - 7)
    plain, scaled = climb([PLAIN, loud], real, [moved], seed=0, progress=silent)
    assert plain.rungs[0].frechet == pytest.approx(scaled.rungs[0].frechet, rel=1e-4)
    assert plain.rungs[0].kernel == pytest.approx(scaled.rungs[0].kernel, rel=1e-4)
    # 5 levels in each of 3 features, in units of their standard deviation of 10.
    assert plain.rungs[0].frechet == pytest.approx(3 * 0.25, rel=0.15)
    assert (plain.extractor, plain.features, plain.images) == ("plain", 3, 300)
    assert plain.enough
    assert not ladder([moved], points(14)).enough


def test_several_seeds_give_a_mean_and_a_spread() -> None:
    real = points(200)
    numbers: list[int] = []

    def draw(number: int) -> np.ndarray:
        numbers.append(number)
        return points(200, shift=10 * number, seed=1)

    alone = [
        ladder([Source("set", lambda _, n=n: points(200, shift=10 * n, seed=1))], real)
        for n in range(2)
    ]
    distances = [found.rungs[0].frechet for found in alone]
    rung = ladder([Source("set", draw, 2)], real).rungs[0]
    assert numbers == [0, 1]
    assert rung.frechet == pytest.approx(np.mean(distances))
    assert rung.frechet_spread == pytest.approx(np.std(distances, ddof=1))
    assert alone[0].rungs[0].frechet_spread == 0.0


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 6 test images, not 5"):
        ladder([Source("set", lambda _: points(5))], points(5))


def test_rungs_of_a_known_model_stand_in_order() -> None:
    model = LinearModel(gain=0.4)
    images = model.images(400)
    codes = model.encode(images)[0]
    rebuilt = model.decode(codes)
    far = Prior(
        np.ones(1, np.float32), np.full((1, 2), 4, np.float32), np.eye(2, dtype=np.float32)[None]
    )
    found = sources(
        model,
        {FITTED: Prior.gaussian(codes), NORMAL: far},
        model.images(500, seed=1),
        images,
        rebuilt,
        seeds=2,
        seed=0,
    )
    names = [source.name for source in found]
    assert names == [TRAINING, REBUILT, BOUND, FITTED, NORMAL, "blurred by 1 px", "blurred by 2 px"]
    assert all(source.draw(0).shape == images.shape for source in found)
    read = Extractor("read", 2, lambda x: model.encode(x)[0])
    by_name = {r.name: r for r in climb([read], images, found, seed=0, progress=silent)[0].rungs}
    assert by_name[REBUILT].frechet < 0.01
    assert by_name[REBUILT].frechet < by_name[BOUND].frechet < 0.1
    assert by_name[FITTED].frechet < 0.1
    assert by_name[NORMAL].frechet > 10 * by_name[FITTED].frechet
    assert by_name[NORMAL].coverage < 0.2 < by_name[FITTED].coverage


def test_a_seed_decides_what_is_drawn() -> None:
    model = LinearModel()
    images = model.images(30)
    priors = {NORMAL: Prior.standard_normal(2)}
    one, same, other = (
        sources(model, priors, images, images, images, seeds=2, seed=seed)[3] for seed in (0, 0, 1)
    )
    assert (one.draw(0) == same.draw(0)).all()
    assert (one.draw(0) != one.draw(1)).any()
    assert (one.draw(0) != other.draw(0)).any()


def test_a_training_part_smaller_than_the_test_part_is_no_rung() -> None:
    model = LinearModel()
    images = model.images(30)
    found = sources(model, {}, images[:29], images, images, seeds=1, seed=0)
    assert TRAINING not in [source.name for source in found]


def test_rows_are_chosen_once_each_and_in_order() -> None:
    rows = choice(np.random.default_rng(0), 100, 20)
    assert len(rows) == len(set(rows.tolist())) == 20
    assert (np.diff(rows) > 0).all()
    assert choice(np.random.default_rng(0), 5, 20).tolist() == [0, 1, 2, 3, 4]
    parts = list(chunks(points(10), np.array([1, 4, 9]), 2))
    assert [len(part) for part in parts] == [2, 1]
    assert (np.concatenate(parts) == points(10)[[1, 4, 9]]).all()

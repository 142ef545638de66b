"""Tables of arithmetic, interpolation and classes, from figures that are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cli.evaluation_moves import MOST_CLASSES, move_tables
from training.evaluation.bootstrap import Estimate
from training.evaluation.classes import ClassShifts
from training.evaluation.fidelity import Ladder
from training.evaluation.groups import FORMULAE, Arithmetic
from training.evaluation.interpolations import Interpolation
from training.evaluation.result import Evaluation

RATE = Estimate(0.91, 0.88, 0.94)
ADDED = tuple(
    Arithmetic(("hat", "beard"), formula, size, RATE, 500)
    for formula in FORMULAE
    for size in (3, 25)
)
LINE = Interpolation(
    path="linear",
    pairs=900,
    distance=12.5,
    distance_ends=3.25,
    inside=0.75,
    inside_ends=0.96875,
    step=Estimate(1.5, 1.4, 1.6),
    step_pairs=200,
)
ARC = replace(LINE, path="spherical", distance=10.5)
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker")
FASHION += ("Bag", "Ankle boot with laces")


def _classes(names: tuple[str, ...]) -> ClassShifts:
    count = len(names)
    flip = [[0.0 if r == c else 1.0 for c in range(count)] for r in range(count)]
    flip[0][1] = 0.254
    return ClassShifts(
        names=names,
        images=(100,) * count,
        judged=(0.99,) * count,
        ceiling=(0.88,) * count,
        flip=tuple(map(tuple, flip)),
        content=tuple(map(tuple, flip)),
        flip_mean=0.875,
        flip_lowest=0.289,
        lowest_pair=names[:2],
        content_mean=0.625,
    )


def _evaluation(model: str = "one 1", **known: Any) -> Evaluation:
    ladder = Ladder("judge", 128, 2000, enough=True, rungs=())
    return Evaluation.model_construct(model=model, ladders=(ladder,), **known)


def test_formulae_stand_with_their_groups_by_name_and_a_rate_for_each_size() -> None:
    (text,) = move_tables([_evaluation(arithmetic=ADDED)])
    lines = text.splitlines()
    assert " ".join(lines[0].split()) == "Arithmetic 3 images 95 % 25 images 95 %"
    rates = "  0.910  0.880  0.940"
    assert [" ".join(line.split()) for line in lines[2:6]] == [
        f"{formula} {' '.join((rates * 2).split())}"
        for formula in (
            "hat - both + beard = neither",
            "hat - neither + beard = both",
            "neither - beard + both = hat",
            "beard - neither + hat = both",
        )
    ]
    assert "500 draws" in lines[6]


def test_midpoints_stand_beside_what_rebuilding_alone_reaches() -> None:
    (text,) = move_tables([_evaluation(interpolations=(LINE, ARC))])
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["Interpolation", "FD-judge", "inside", "step", "95", "%"]
    assert lines[2] == ["midpoints,", "linear", "12.500", "0.750", "1.50", "1.40", "1.60"]
    assert lines[3][:3] == ["midpoints,", "spherical", "10.500"]
    assert lines[4] == ["one", "end,", "rebuilt", "3.250", "0.969"]
    assert "900 pairs, 200 of them step by step" in text


def test_ten_classes_fit_into_a_hundred_columns() -> None:
    (text,) = move_tables([_evaluation(classes=_classes(FASHION))])
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == ["From,", "to,", "in", "%", *map(str, range(1, 11))]
    assert lines[2].split() == ["1", "T-shirt/top", "·", "25", *["100"] * 8]
    assert lines[11].startswith("10 Ankle boot with l…")
    assert lines[11].split()[-2:] == ["100", "·"]
    assert lines[12].split() == ["itself,", "rebuilt", *["88"] * 10]
    assert lines[13].split() == ["itself,", "real", *["99"] * 10]
    assert "mean 0.875 of what is possible, lowest 0.289 (T-shirt/top to Trouser)" in text


def test_short_names_head_their_columns_themselves() -> None:
    digits = tuple("0123456789")
    (text,) = move_tables([_evaluation(classes=_classes(digits))])
    lines = text.splitlines()
    assert lines[0].split()[4:] == list(digits)
    assert [line.split()[0] for line in lines[2:12]] == list(digits)


def test_of_too_many_classes_only_the_sums_are_written() -> None:
    names = tuple(f"kind {number}" for number in range(MOST_CLASSES + 1))
    (text,) = move_tables([_evaluation(classes=_classes(names))])
    assert len(text.splitlines()) == 1
    assert "content 0.625" in text


def test_several_models_stand_side_by_side() -> None:
    worse = replace(LINE, inside=0.5)
    found = move_tables(
        [
            _evaluation(arithmetic=ADDED, interpolations=(LINE, ARC), classes=_classes(FASHION)),
            _evaluation("plain 2", interpolations=(worse, ARC)),
        ]
    )
    added, ways, classes = ([line.split() for line in text.splitlines()] for text in found)
    assert added[0] == ["Arithmetic", "one", "1", "plain", "2"]
    assert " ".join(added[2]) == "hat - both + beard = neither, 3 images 0.910 -"
    assert len(added) == 2 + len(ADDED)
    assert ["linear:", "midpoints", "inside", "0.750", "0.500"] in ways
    assert ["one", "end,", "rebuilt:", "FD", "3.250", "3.250"] in ways
    assert ["lowest", "0.289", "-"] in classes


@pytest.mark.parametrize("count", [1, 2])
def test_what_was_not_measured_has_no_table(count: int) -> None:
    assert move_tables([_evaluation()] * count) == []

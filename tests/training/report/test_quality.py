from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from training.evaluation.quality import GATES, ShiftQuality
from training.evaluation.result import Evaluation
from training.report.parts import Figure, Note, Section, Table
from training.report.quality import FILE, SHIFTS, quality
from training.report.svg import Plot
from training.trainer import LAST

if TYPE_CHECKING:
    from pathlib import Path

SHIFT: dict[str, Any] = {
    **dict.fromkeys(SHIFTS, 0.99),
    "leakage_mean": 0.02,
    "unseen": "",
    "useful_range": [-1.0, 1.5],
}


def _shift(name: str, leakage: list[float | None], **changes: Any) -> dict[str, Any]:
    return {**SHIFT, "name": name, "leakage": leakage, "related": [False, False], **changes}


DOCUMENT: dict[str, Any] = {
    "test_images": 500,
    "training_images": 9000,
    "reconstruction": {
        "psnr": {"value": 21.345, "low": 21.1, "high": 21.5},
        "mse": {"value": 0.00734, "low": 0.007, "high": 0.0078},
        "cross_entropy_per_value": 0.25,
    },
    "likelihood": {"negative_elbo": {"value": -12345.6, "low": -13000, "high": -12000}},
    "latents": {"active_units": 61},
    "ladders": [
        {
            "extractor": "judge",
            "features": 128,
            "images": 500,
            "enough": False,
            "rungs": [{"name": "training images", "frechet": 4.25, "precision": 1.0}],
        }
    ],
    "shifts": [
        _shift("long_hair", [0.0, 0.3], calibration=0.5),
        _shift("hat", [0.7, 0.0], related=[True, True], unseen="nobody sees it"),
    ],
    "left_out": [{"what": "the weather", "why": "it was not there"}],
}


ADDED = {
    "attributes": ["glasses", "long_hair"],
    "formula": [[1, 0], [1, 1], [0, 1]],
    "size": 25,
    "success": {"value": 0.875, "low": 0.85, "high": 0.9},
    "draws": 500,
}
WAY = {
    "path": "linear",
    "pairs": 900,
    "distance": 12.5,
    "distance_ends": 3.25,
    "inside": 0.75,
    "inside_ends": 0.96,
    "step": {"value": 1.5, "low": 1.4, "high": 1.6},
}
CLASSES = {
    "names": ["shirt", "coat_long"],
    "flip": [[0.0, 0.6], [0.9, 0.0]],
    "flip_mean": 0.8,
    "flip_lowest": 0.65,
    "lowest_pair": ["shirt", "coat_long"],
    "content_mean": 0.7,
}
MOVES = {"arithmetic": [ADDED], "interpolations": [WAY], "classes": CLASSES}


def _write(run: Path, document: Any) -> Section:
    (run / FILE).write_text(document if isinstance(document, str) else json.dumps(document))
    return quality(run, "data/faces")


def _tables(section: Section) -> dict[str, Table]:
    return {item.title: item for item in section.items if isinstance(item, Table)}


def _notes(section: Section) -> str:
    return " ".join(item.text for item in section.items if isinstance(item, Note))


def test_without_an_evaluation_it_says_what_to_type(tmp_path: Path) -> None:
    run = tmp_path / "my run"
    (note,) = quality(run, "data/faces").items
    assert isinstance(note, Note)
    assert "Not evaluated yet" in note.text
    assert note.command.startswith("latentserve evaluate models/NAME --data data/faces --out '")
    assert note.command.endswith(f"my run/{FILE}'")


def test_figures_have_their_unit_and_interval(tmp_path: Path) -> None:
    table = _tables(_write(tmp_path, DOCUMENT))["Reconstructions, likelihood, latents"]
    rows = {row[0]: row[1:3] for row in table.rows}
    assert rows == {
        "PSNR": ("21.34 dB", "21.10 to 21.50"),
        "mean squared error": ("0.0073", "0.007 to 0.0078"),
        "cross-entropy": ("0.25 nats/value", "–"),
        "−ELBO": ("−12\u202f346 nats", "−13\u202f000 to −12\u202f000"),
        "active latents": ("61", "–"),
    }


def test_cells_that_miss_their_gate_are_marked(tmp_path: Path) -> None:
    table = _tables(_write(tmp_path, DOCUMENT))["Attribute shifts"]
    assert table.marks == {(0, 1 + list(SHIFTS).index("calibration"))}
    assert table.rows[0][0] == "long hair"
    assert table.rows[0][-1] == "−1 to 1.5"
    assert all(name in SHIFTS for name, _, _ in GATES)


def test_arithmetic_and_what_lies_between_are_small_tables(tmp_path: Path) -> None:
    found = _tables(_write(tmp_path, MOVES))
    assert found["Arithmetic with groups"].rows == (
        ("glasses − both + long hair = neither", "25", "0.88", "0.85 to 0.90"),
    )
    assert found["Between two images"].rows == (
        ("linear", "12.50", "0.75", "1.50", "1.40 to 1.60"),
        ("one end, rebuilt", "3.25", "0.96", "", ""),
    )


def test_class_into_class_is_a_heat_map(tmp_path: Path) -> None:
    (figure,) = (
        i
        for i in _write(tmp_path, {**DOCUMENT, **MOVES, "shifts": []}).items
        if isinstance(i, Figure)
    )
    assert figure.title == "Class into class"
    assert isinstance(figure.body, Plot)
    assert ">0.60<" in figure.body.svg
    assert ">0.90<" in figure.body.svg
    assert ">0.00<" not in figure.body.svg
    assert "mean 0.80, lowest 0.65 (shirt to coat long)" in figure.caption


@pytest.mark.parametrize(
    "changes",
    [
        {"flip": [[0.0, 0.6]]},
        {"flip": "?"},
        {"names": ["shirt"]},
        {"names": None},
        {"names": [str(n) for n in range(25)], "flip": [[0.5] * 25] * 25},
    ],
)
def test_a_matrix_that_cannot_be_drawn_is_said(tmp_path: Path, changes: dict[str, Any]) -> None:
    section = _write(tmp_path, {**DOCUMENT, "shifts": [], "classes": {**CLASSES, **changes}})
    assert not any(isinstance(item, Figure) for item in section.items)
    assert "No heat map of classes" in _notes(section)


def test_moves_that_are_not_as_expected_leave_dashes(tmp_path: Path) -> None:
    document = {
        "arithmetic": [{}, {**ADDED, "formula": [[1, 0], [0, 0], [2, 2]]}, {**ADDED, "size": 3}],
        "interpolations": [{"path": "linear", "step": None}],
    }
    found = _tables(_write(tmp_path, document))
    assert [row[0] for row in found["Arithmetic with groups"].rows] == [
        "?",
        "?",
        "glasses − both + long hair = neither",
    ]
    assert found["Between two images"].rows[0] == ("linear", "–", "–", "–", "–")


def test_what_judges_cannot_see_is_named(tmp_path: Path) -> None:
    section = _write(tmp_path, DOCUMENT)
    assert _tables(section)["Attributes not to build on"].rows == (("hat", "nobody sees it"),)
    assert "Not measured: the weather: it was not there." in _notes(section)
    assert (
        "500 images are few for 128 features"
        in _tables(section)["Sets of images by FD-judge"].caption
    )


def test_leakage_is_drawn_with_related_ones_in_brackets(tmp_path: Path) -> None:
    (figure,) = (i for i in _write(tmp_path, DOCUMENT).items if isinstance(i, Figure))
    assert isinstance(figure.body, Plot)
    assert ">0.30<" in figure.body.svg
    assert ">(0.70)<" in figure.body.svg
    assert ">0.00<" not in figure.body.svg


@pytest.mark.parametrize(
    "part", ["reconstruction", "likelihood", "latents", "ladders", "shifts", *MOVES]
)
def test_missing_and_unknown_parts_are_no_trouble(tmp_path: Path, part: str) -> None:
    without = {name: value for name, value in DOCUMENT.items() if name != part}
    for document in (without, {**DOCUMENT, part: None}, {**DOCUMENT, part: "?", "new": [1]}):
        assert _tables(_write(tmp_path, document))


def test_values_that_are_missing_leave_a_dash(tmp_path: Path) -> None:
    shifts = [_shift("hat", [0.0, None], score=None), {"name": "tie"}]
    section = _write(tmp_path, {"shifts": shifts})
    rows = _tables(section)["Attribute shifts"].rows
    assert rows[0][1] == "–"
    assert set(rows[1][1:]) == {"–"}
    assert "No heat map of leakage" in _notes(section)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"text"', "{}", '{"ladders": 3}', "\x00"])
def test_what_is_no_evaluation_is_said(tmp_path: Path, text: str) -> None:
    (note,) = _write(tmp_path, text).items
    assert isinstance(note, Note)
    assert FILE in note.text


def test_remarks_on_what_the_numbers_are_worth(tmp_path: Path) -> None:
    assert "quick" in _notes(_write(tmp_path, {**DOCUMENT, "options": {"quick": True}}))
    checkpoint = tmp_path / LAST
    checkpoint.parent.mkdir()
    checkpoint.touch()
    os.utime(checkpoint, (1e9, 1e9))
    assert "older than" not in _notes(quality(tmp_path, ""))
    os.utime(tmp_path / FILE, (9e8, 9e8))
    assert "older than the checkpoint" in _notes(quality(tmp_path, ""))


def test_every_path_is_one_that_evaluations_have() -> None:
    """The tables would be empty, and nobody would see it, if a name changed there."""
    from training.report.quality import LADDER, REBUILT  # noqa: PLC0415  (for this test alone)

    schema = Evaluation.model_json_schema()
    definitions = schema["$defs"]
    for path, *_ in REBUILT:
        part, figure = path.split(".")
        found = schema["properties"][part]
        names = [option["$ref"] for option in [found, *found.get("anyOf", ())] if "$ref" in option]
        assert figure in definitions[names[0].rpartition("/")[2]]["properties"], path
    assert set(LADDER) <= set(definitions["Rung"]["properties"])
    named = {*SHIFTS, "name", "unseen", "leakage", "related", "useful_range"}
    assert named <= set(definitions[ShiftQuality.__name__]["properties"])
    assert {"extractor", "features", "images", "enough", "rungs"} <= set(
        definitions["Ladder"]["properties"]
    )
    kinds = ((ADDED, "Arithmetic"), (WAY, "Interpolation"), (CLASSES, "ClassShifts"))
    for known, kind in kinds:
        assert set(known) <= set(definitions[kind]["properties"])
    assert set(MOVES) <= set(schema["properties"])


def test_a_matrix_with_nan_is_drawn(tmp_path: Path) -> None:
    text = json.dumps({"shifts": [_shift("a", [0.0, np.nan]), _shift("b", [0.1, 0.0])]})
    assert "NaN" in text
    assert any(isinstance(item, Figure) for item in _write(tmp_path, text).items)

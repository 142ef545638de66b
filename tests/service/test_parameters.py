"""Parameters: the same strict rules for JSON and for text, and messages that name the cure."""

from __future__ import annotations

from typing import Any

import pytest

from inference.errors import InvalidRequest
from service.parameters import (
    MAX_ENTRIES,
    MAX_SEED,
    ImageParameters,
    InterpolateParameters,
    Parameters,
    SampleParameters,
    ShiftParameters,
    check,
    from_text,
    merge,
)


def test_defaults() -> None:
    parameters = check(SampleParameters, {})
    assert parameters.model_dump() == {
        "n": 1,
        "seed": None,
        "temperature": 1.0,
        "prior": "fitted",
        "attributes": {},
        "columns": None,
    }


@pytest.mark.parametrize(
    "values",
    [
        {"n": 0},
        {"n": -1},
        {"n": 1.5},
        {"n": "16"},
        {"n": True},
        {"n": None},
        {"seed": -1},
        {"seed": MAX_SEED + 1},
        {"seed": 1.5},
        {"seed": 1e300},
        {"seed": "7"},
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": "warm"},
        {"prior": "uniform"},
        {"attributes": ["smile"]},
        {"attributes": {"smile": "1"}},
        {"attributes": {"smile": True}},
        {"attributes": {"smile": float("inf")}},
        {"columns": 0},
    ],
)
def test_a_wrong_value_is_named_with_its_limit(values: dict[str, Any]) -> None:
    (name,) = values
    with pytest.raises(InvalidRequest, match=rf"field '{name}.*' is .*, but must .*; correct it"):
        check(SampleParameters, values)


@pytest.mark.parametrize(
    "values", [{"steps": 1}, {"steps": "9"}, {"path": "round"}, {"steps": 3.1}]
)
def test_a_way_has_its_limits_too(values: dict[str, Any]) -> None:
    (name,) = values
    with pytest.raises(InvalidRequest, match=rf"field '{name}' is .*, but must .*; correct it"):
        check(InterpolateParameters, values)
    assert check(InterpolateParameters, {}).model_dump() == {
        "columns": None,
        "steps": 8,
        "path": "linear",
    }


def test_edges_are_allowed() -> None:
    values = {"seed": MAX_SEED, "temperature": 0, "n": 1, "columns": 1}
    assert check(SampleParameters, values).seed == MAX_SEED
    assert check(SampleParameters, {"temperature": 2}).temperature == 2.0


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert check(SampleParameters, {"n": 3.0, "seed": 1e3, "columns": 2.0}).model_dump() == (
        check(SampleParameters, {"n": 3, "seed": 1000, "columns": 2}).model_dump()
    )


def test_an_unknown_field_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        InvalidRequest, match=r"'more'; known are attributes, columns, detail, images"
    ):
        check(ShiftParameters, {"attributes": {}, "more": True}, {"images"})
    with pytest.raises(InvalidRequest, match="unknown field 'n'"):
        check(Parameters, {"n": 1})


def test_a_missing_field_is_explained() -> None:
    with pytest.raises(InvalidRequest, match=r"'attributes' is missing; add it\. Strength"):
        check(ShiftParameters, {})


def test_long_values_are_cut() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(ImageParameters, {"columns": "9" * 10_000})
    assert len(caught.value.message) < 200


def test_text_becomes_typed() -> None:
    texts = {"n": "3", "prior": "normal", "attributes": '{"smile": 1}', "temperature": "0.5"}
    typed = from_text(texts)
    assert typed == {
        "n": 3,
        "prior": "normal",
        "attributes": {"smile": 1},
        "temperature": 0.5,
    }
    assert check(SampleParameters, typed).attributes == {"smile": 1.0}


def test_a_field_comes_from_one_place() -> None:
    assert merge({"n": 1}, {"seed": 2}) == {"n": 1, "seed": 2}
    with pytest.raises(InvalidRequest, match="'n' is given in the body and in the URL"):
        merge({"n": 1}, {"n": 1})


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({f"f{index}": 1 for index in range(MAX_ENTRIES + 1)}, "the request"),
        ({"attributes": {f"a{index}": "x" for index in range(MAX_ENTRIES + 1)}}, "'attributes'"),
        ({"n": [1] * (MAX_ENTRIES + 1)}, "'n'"),
    ],
)
def test_thousands_of_wrong_entries_are_one_error(values: Any, where: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"{where}.* has 1025 entries, the limit is 1024"):
        check(SampleParameters, values)


def test_a_large_value_is_not_shown_whole() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(SampleParameters, {"n": "x" * 10_000_000})
    assert len(caught.value.message) < 300

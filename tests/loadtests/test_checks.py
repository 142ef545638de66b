"""A wrong answer is seen, whatever its status says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from loadtests.checks import ModelFacts, WrongAnswer, check, read_picture, read_rows
from tests.support.wire_server import png

MODEL = ModelFacts("flat", "1", height=16, width=16, channels=3, latent=3, attributes=("bright",))


def encoding(mean: list[list[float]], logvar: list[list[float]] | None = None) -> bytes:
    return json.dumps({"mean": mean, "logvar": logvar or [[0.0] * 3]}).encode()


def test_right_answers_pass() -> None:
    check("picture", png(50), png(50), MODEL)
    check("picture", png(51), png(50), MODEL)
    check("seeded picture", png(50), png(50), MODEL)
    check("encoding", encoding([[1, 2, 3.0001]]), encoding([[1, 2, 3]]), MODEL)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "0 bytes are no whole PNG"),
        (b"<html>sorry</html>", "no whole PNG"),
        (png(50)[:-20], "no whole PNG"),
        (png(50, side=17), "17 × 17, the model says 16 × 16"),
        (png(52), "differs by 2 grey levels"),
    ],
)
def test_wrong_pictures_are_seen(body: bytes, message: str) -> None:
    with pytest.raises(WrongAnswer, match=message):
        check("picture", body, png(50), MODEL)


def test_a_seed_must_give_the_same_bytes() -> None:
    with pytest.raises(WrongAnswer, match="same seed"):
        check("seeded picture", png(51), png(50), MODEL)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "no rows"),
        (b"[1", "no rows"),
        (b'{"mean": [[1, 2], [3]]}', "no rows"),
        (encoding([[1, 2]]), r"\(1, 2\), the model says \[N, 3\]"),
        (encoding([[1, 2, float("nan")]]), "not finite"),
        (encoding([[1, 2, 4]]), "another than"),
        (encoding([[1, 2, 3], [1, 2, 3]]), "another than"),
        (encoding([[1, 2, 3]], [[float("inf")] * 3]), "logvar holds"),
    ],
)
def test_wrong_encodings_are_seen(body: bytes, message: str) -> None:
    with pytest.raises(WrongAnswer, match=message):
        check("encoding", body, encoding([[1, 2, 3]]), MODEL)


def test_grey_models_are_read_as_grey() -> None:
    grey = ModelFacts("g", "1", height=16, width=16, channels=1, latent=3, attributes=())
    pixels = read_picture(png(9), grey)
    assert pixels.shape == (16, 16, 1)
    assert np.unique(pixels).tolist() == [9]


def test_model_facts_name_what_is_missing() -> None:
    with pytest.raises(WrongAnswer, match="'image'"):
        ModelFacts.from_answer(b'{"name": "a", "version": "1"}')
    with pytest.raises(WrongAnswer):
        read_rows(b"[]", "mean", MODEL)

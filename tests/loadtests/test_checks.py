"""A wrong answer is seen, whatever its status says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from loadtests.checks import ModelFacts, WrongAnswer, check_images, compare, read_picture
from loadtests.examples import Example, Examples
from tests.support.wire_server import png

MODEL = ModelFacts("flat", "1", height=16, width=16, channels=3, latent=3, attributes=("bright",))


def encoding(mean: list[list[float]], logvar: list[list[float]] | None = None) -> bytes:
    return json.dumps({"mean": mean, "logvar": logvar or [[0.0] * 3]}).encode()


def check(form: str, body: bytes, alone: bytes, *, exact: bool = False) -> None:
    example = Example("http x", "POST", "/v1/x", {}, b"", form, exact, alone)
    Examples(MODEL, (example,)).check(example, body)


def test_right_answers_pass() -> None:
    check("png", png(50), png(50))
    check("png", png(51), png(50))
    check("png", png(50), png(50), exact=True)
    check("json", encoding([[1, 2, 3.0001]]), encoding([[1, 2, 3]]))
    check("facts", b'{"a": 1, "b": 2}', b'{"b": 2, "a": 1}')


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
        check("png", body, png(50))


def test_a_seed_must_give_the_same_bytes() -> None:
    with pytest.raises(WrongAnswer, match="same seed"):
        check("png", png(51), png(50), exact=True)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "neither pictures nor numbers"),
        (b"[1", "no answer of the form json"),
        (b'{"mean": [[1, 2], [3]]}', "no answer of the form json"),
        (encoding([[1, 2]]), r"\(1, 2\), the model says \[N, 3\]"),
        (encoding([[1, 2, float("nan")]]), "not finite"),
        (encoding([[1, 2, 4]]), "the mean differs by 1 from"),
        (encoding([[1, 2, 3], [1, 2, 3]]), r"mean is \(2, 3\), the same request made alone"),
        (encoding([[1, 2, 3]], [[float("inf")] * 3]), "logvar holds"),
        (b'{"mean": [[1, 2, 3]]}', "has mean; alone it had mean, logvar"),
        (b'{"images": []}', "without pictures"),
        (b'{"images": ["?"]}', "no answer of the form json"),
    ],
)
def test_wrong_encodings_are_seen(body: bytes, message: str) -> None:
    with pytest.raises(WrongAnswer, match=message):
        check("json", body, encoding([[1, 2, 3]]))


@pytest.mark.parametrize("body", [b"", b"{}", b'{"outputs": [', b"\x93NUMPY"])
@pytest.mark.parametrize("form", ["npy", "tensors"])
def test_halves_of_arrays_are_seen(form: str, body: bytes) -> None:
    with pytest.raises(WrongAnswer):
        check(form, body, b"x")


def test_other_facts_are_seen() -> None:
    with pytest.raises(WrongAnswer, match="other facts"):
        check("facts", b'{"version": "2"}', b'{"version": "1"}')
    with pytest.raises(WrongAnswer, match="no facts"):
        check("facts", b"<html>", b'{"version": "1"}')


def test_arrays_must_be_the_models() -> None:
    with pytest.raises(WrongAnswer, match=r"float32 \(1, 16, 16, 3\)"):
        check_images(np.zeros((1, 16, 16, 3), np.float32), MODEL)
    with pytest.raises(WrongAnswer, match="without pictures"):
        check_images(np.zeros((0, 16, 16, 3), np.uint8), MODEL)
    with pytest.raises(WrongAnswer, match="has mean, the JSON has image"):
        compare({"mean": np.zeros((1, 3))}, {"image": np.zeros(1)}, "the JSON")


def test_grey_models_are_read_as_grey() -> None:
    grey = ModelFacts("g", "1", height=16, width=16, channels=1, latent=3, attributes=())
    pixels = read_picture(png(9), grey)
    assert pixels.shape == (16, 16, 1)
    assert np.unique(pixels).tolist() == [9]


def test_model_facts_name_what_is_missing() -> None:
    with pytest.raises(WrongAnswer, match="'image'"):
        ModelFacts.from_answer(b'{"name": "a", "version": "1"}')

"""The card: what a reader must find in it, for figures that are known."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from export.card import card
from export.tables import table
from tests.export.test_describe import facts
from training.evaluation.bootstrap import Estimate
from training.evaluation.classes import ClassShifts
from training.evaluation.fidelity import Ladder, Rung
from training.evaluation.latents import Latents
from training.evaluation.likelihood import Likelihood
from training.evaluation.options import EvaluationOptions
from training.evaluation.quality import ShiftQuality
from training.evaluation.reconstruction import Reconstruction
from training.evaluation.result import Evaluation, LeftOut

METRICS = {"images": 50, "psnr": 30.25, "mse": 0.001, "kl": 12.0, "active_units": 3}
BY_TYPE: dict[str, Any] = {
    "int": 7,
    "float": 0.5,
    "str": "",
    "Estimate": Estimate(0.5, 0.4, 0.6),
    "Estimate | None": None,
    "tuple[float, ...]": (),
    "tuple[bool, ...]": (),
    "tuple[int, ...]": (),
    "tuple[str, ...]": (),
    "tuple[str, str]": ("", ""),
    "Matrix": (),
    "tuple[float, ...] | None": None,
    "float | None": None,
    "tuple[int, int]": (40, 50),
    "tuple[float, float]": (-1.0, 2.0),
    "dict[str, tuple[float, float]]": {},
}


def _filled(kind: type[Any], **known: Any) -> Any:
    """An instance of a dataclass whose other fields have a value of their type."""
    rest = {field.name: BY_TYPE[str(field.type)] for field in fields(kind)}
    return kind(**{**rest, **known})


def _shift(name: str, **known: Any) -> ShiftQuality:
    good = {
        "flip_of_ceiling": 0.95,
        "calibration": 0.9,
        "leakage_mean": 0.05,
        "monotone": 0.99,
        "retrieval": 1.0,
    }
    shift: ShiftQuality = _filled(ShiftQuality, name=name, **{**good, **known})
    return shift


def _evaluation(**known: Any) -> Evaluation:
    rung = Rung("fitted prior", 3, 1.25, 0.05, 0.002, 0.001, 0.8, 0.7, 0.9, 0.6)
    values: dict[str, Any] = {
        "model": "tiny 3",
        "dataset": "pictures",
        "image": (16, 16, 1),
        "judged": (16, 16),
        "latent": 4,
        "test_images": 50,
        "training_images": 400,
        "options": EvaluationOptions(count=50),
        "reconstruction": _filled(Reconstruction, ssim=Estimate(0.912, 0.9, 0.92)),
        "likelihood": _filled(Likelihood, bits_per_value=3.125),
        "latents": _filled(Latents),
        "probe": None,
        "ladders": (Ladder("judge", 128, 50, enough=False, rungs=(rung,)),),
        "shifts": (_shift("bar"), _shift("bright", calibration=0.4)),
        "left_out": (LeftOut(what="SSIM", why="too small"),),
    }
    return Evaluation(**{**values, **known})


def _facts(**known: Any) -> Any:
    given = facts()
    training = given.training.model_copy(update={"metrics": known.pop("metrics", METRICS)})
    row = {"batch": 1, "encoder_relative": 1e-6, "decoder_relative": 2e-6, "decoder_grey_levels": 1}
    parity = type(given.parity).model_validate(
        {"tolerance_relative": 1e-4, "tolerance_grey_levels": 1, "worst": [row]}
    )
    return replace(given, training=training, parity=parity, **known)


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [("x", "1")]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"


def test_every_table_row_has_its_heads_cells() -> None:
    blocks = [block for block in card(_facts(), _evaluation()).split("\n\n") if block[0] == "|"]
    assert len(blocks) == 3
    for block in blocks:
        assert len({line.count("|") for line in block.strip().splitlines()}) == 1


def test_figures_and_their_intervals_are_told() -> None:
    text = card(_facts(), _evaluation())
    assert "| reconstruction, PSNR per image, averaged | 30.25 dB |" in text
    assert "| reconstruction, SSIM | 0.912 (0.900 to 0.920) |" in text
    assert "| rate, KL to N(0, I) | 12.0 nats |" in text
    assert "| 3.125 bits per value |" in text
    assert "| fitted prior | 1.25 ± 0.05 | 0.002 | 0.800 | 0.700 | 0.900 | 0.600 |" in text
    assert "50 images are few for 128 features" in text
    assert "Not measured: SSIM; too small." in text


def test_what_an_attribute_fails_is_named_with_value_and_limit() -> None:
    text = card(_facts(), _evaluation())
    assert "| bar | ridge | 0.500 | 0.500 | 0.950 |" in text
    assert "1 of 2 attributes have all that is wanted" in text
    assert "- bright: calibration is 0.400, wanted at least 0.8." in text
    assert "- bar:" not in text
    passed = card(_facts(), _evaluation(shifts=(_shift("bar"), _shift("bright"))))
    assert "2 of 2 attributes" in passed


def test_an_attribute_that_judges_do_not_see_is_marked() -> None:
    given = _facts()
    specs = tuple(
        spec.model_copy(update={"unseen": "it is too small" if spec.row else ""})
        for spec in given.attributes
    )
    shifts = (_shift("bar"), _shift("bright", unseen="it is too small"))
    text = card(replace(given, attributes=specs), _evaluation(shifts=shifts))
    assert "| bright (unseen) |" in text
    assert "- bright: it is too small." in text


def test_for_classes_the_mean_and_the_worst_pair_are_told_in_one_line() -> None:
    classes = _filled(
        ClassShifts,
        names=("a", "b"),
        flip_mean=0.875,
        flip_lowest=0.25,
        lowest_pair=("b", "a"),
    )
    text = card(_facts(), _evaluation(classes=classes))
    (line,) = (line for line in text.splitlines() if "exclude each other" in line)
    assert "in 0.875 on average over all pairs, in 0.250 for the worst (b to a)." in line
    assert "exclude each other" not in card(_facts(), _evaluation())


def test_a_plain_autoencoder_is_called_one() -> None:
    metrics = {name: value for name, value in METRICS.items() if name != "kl"}
    text = card(_facts(variational=False, metrics=metrics), _evaluation(likelihood=None))
    assert "A plain autoencoder for images" in text
    assert "no prior N(0, I)" in text
    assert "| rate, KL" not in text
    assert "bits per value" not in text


def test_nothing_measured_is_said_and_nothing_claimed() -> None:
    text = card(_facts(), None)
    assert "Nothing was measured of bar (3 images), bright (2 images)." in text
    assert "Nothing but reconstruction was measured" in text
    assert "## Samples" not in text


def test_a_hurry_and_images_that_were_learnt_are_named() -> None:
    given = _facts()
    preset = given.config.preset.model_copy(update={"learns_from": "all"})
    config = given.config.model_copy(update={"preset": preset})
    quick = _evaluation(options=EvaluationOptions(count=50).cut_down())
    text = card(replace(given, config=config), quick)
    assert "no figure here is of images new to it" in text
    assert "taken in a hurry" in text
    assert "in a hurry" not in card(given, _evaluation())

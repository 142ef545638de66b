"""What an evaluation has measured, as tables and a heat map.

RUN/evaluation.json → section "quality"

Reads the document of `training.evaluation.result.Evaluation` part by part: one of another version,
or with parts left out, gives the tables that it has. Nothing is measured here.
"""

from __future__ import annotations

import json
import math
import shlex
from typing import TYPE_CHECKING, Any

import numpy as np

from training.evaluation.quality import GATES
from training.report.document import (
    at,
    dicts,
    estimated,
    limits,
    number,
    real,
    square,
    stretch,
)
from training.report.groups import plain
from training.report.measured import measured_moves
from training.report.parts import Figure, Note, Section, Table
from training.report.plots import heat_map
from training.trainer import LAST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Item = Figure | Table | Note

FILE = "evaluation.json"
TITLE = "Measured quality"
MOST_LEAKS = 24
"""Attributes that a heat map has room for."""

REBUILT: tuple[tuple[str, str, str, str], ...] = (
    ("reconstruction.psnr", "PSNR", " dB", "of each image, then averaged; higher is better"),
    ("reconstruction.mse", "mean squared error", "", "of values in [0, 1]"),
    ("reconstruction.ssim", "SSIM", "", "structure kept: 1 is all"),
    (
        "reconstruction.sharpness",
        "sharpness",
        "",
        "1 is as sharp as the original, below is blurred",
    ),
    ("reconstruction.cross_entropy_per_value", "cross-entropy", " nats/value", "no likelihood"),
    ("likelihood.kl", "KL", " nats", "the rate: information in the latent"),
    ("likelihood.negative_elbo", "−ELBO", " nats", "rate and distortion together"),
    ("likelihood.bits_per_value", "bits per value", "", "the same, for 8-bit images"),
    ("likelihood.tight_bits_per_value", "bits per value, tighter", "", "with more draws"),
    ("latents.active_units", "active latents", "", "whose mean varies"),
    ("latents.largest_correlation", "largest correlation", "", "of two latents; 0 for N(0, I)"),
    ("probe.linear", "labels by a line", "", "accuracy of reading labels out of the means"),
    ("probe.neighbours", "labels by neighbours", "", "the same by nearest neighbours"),
    ("probe.chance", "labels by guessing", "", "what both should be compared with"),
)
"""Path in the document, name, unit, reading."""
LADDER = ("frechet", "kernel", "precision", "recall", "density", "coverage")
LADDER_HEAD = ("set of images", "FD", "KID", "precision", "recall", "density", "coverage")
SHIFTS: Mapping[str, str] = {
    "score": "score",
    "flip_of_ceiling": "flips, of possible",
    "calibration": "calibration",
    "leakage_mean": "leakage, mean",
    "leakage_max": "leakage, worst",
    "monotone": "monotone",
    "removed": "removed at −1",
    "content": "content kept",
    "retrieval": "retrieval",
    "round_trip": "round trip, dB",
    "consistency": "consistency",
}
"""Figure of an attribute → heading."""


def quality(run: Path, data: str) -> Section:
    """The section; without an evaluation it says what to type.

    Args:
        run: The run folder.
        data: Where the image set is.
    """
    file = run / FILE
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError:
        note = Note(
            f"Not evaluated yet: there is no {FILE} in the run folder. Exporting the run writes "
            "one; or evaluate the exported bundle, here called models/NAME, and write this report "
            "again.",
            shlex.join(
                ["latentserve", "evaluate", "models/NAME", "--data", data, "--out", str(file)]
            ),
        )
        return Section("quality", TITLE, "", (note,))
    except (OSError, ValueError) as error:
        return Section("quality", TITLE, "", (Note(f"{FILE} cannot be read: {error}"),))
    if not isinstance(document, dict):
        return Section("quality", TITLE, "", (Note(f"{FILE} is not an evaluation."),))
    items = [*_remarks(document, run), *_tables(document)]
    if not any(isinstance(item, Table) for item in items):
        items.append(Note(f"{FILE} holds nothing that this report knows."))
    return Section("quality", TITLE, _lead(document), tuple(items))


def _lead(document: dict[str, Any]) -> str:
    images, learnt = at(document, "test_images"), at(document, "training_images")
    counted = f"{images} test images" if images is not None else "test images"
    taught = f" and {learnt} training images" if learnt is not None else ""
    return (
        f"Measured on {counted}{taught} by judges that the training never met. Intervals hold "
        "95 % of bootstrap draws over images."
    )


def _remarks(document: dict[str, Any], run: Path) -> Iterator[Note]:
    checkpoint = run / LAST
    if checkpoint.exists() and checkpoint.stat().st_mtime > (run / FILE).stat().st_mtime:
        yield Note("The evaluation is older than the checkpoint: evaluate again.", kind="remark")
    if at(document, "options.quick"):
        yield Note("A quick evaluation, with little looked at: leads, not results.", kind="remark")


def _tables(document: dict[str, Any]) -> Iterator[Item]:
    rebuilt = _rebuilt(document)
    if rebuilt is not None:
        yield rebuilt
    for ladder in dicts(document, "ladders"):
        yield _ladder(ladder)
    shifts = dicts(document, "shifts")
    if shifts:
        yield _shifts(shifts)
        yield from _unseen(shifts)
        yield from _leakage(shifts)
    yield from measured_moves(document)
    left_out = [
        f"{item.get('what', '?')}: {item.get('why', '?')}" for item in dicts(document, "left_out")
    ]
    if left_out:
        yield Note(f"Not measured: {'; '.join(left_out)}.")


def _rebuilt(document: dict[str, Any]) -> Table | None:
    rows = []
    for path, name, unit, reading in REBUILT:
        value, interval = estimated(at(document, path))
        if value is not None:
            whole = isinstance(at(document, path), int)
            rows.append(
                (name, (str(int(value)) if whole else number(value)) + unit, interval, reading)
            )
    if not rows:
        return None
    return Table(
        "Reconstructions, likelihood, latents",
        ("figure", "value", "95 % interval", "how to read it"),
        tuple(rows),
        "Rate (KL) and distortion (PSNR, squared error) belong together: either alone can be "
        "bought with the other.",
        prose=True,
    )


def _ladder(ladder: dict[str, Any]) -> Table:
    extractor = str(ladder.get("extractor", "?"))
    rows = tuple(
        (str(rung.get("name", "?")), *(number(real(rung.get(name))) for name in LADDER))
        for rung in dicts(ladder, "rungs")
    )
    caption = (
        "How far sets of images are from the test images, in the features of "
        + ("the reporting judge" if extractor == "judge" else f"the {extractor} extractor")
        + ". Training images are the floor, rebuilt ones what no prior can pass, blurred test "
        "images give the scale. FD and KID: lower is nearer. Precision and density: how "
        "believable the set is; recall and coverage: how much of the test images' variety it has."
    )
    if ladder.get("enough") is False:
        caption += (
            f" {ladder.get('images', 'The')} images are few for {ladder.get('features', 'so many')}"
            " features: compare FD within this table only."
        )
    return Table(f"Sets of images by FD-{extractor}", LADDER_HEAD, rows, caption)


def _shifts(shifts: list[dict[str, Any]]) -> Table:
    gates = {name: (least, most) for name, least, most in GATES}
    rows, marks = [], set()
    for line, item in enumerate(shifts):
        cells = [plain(str(item.get("name", "?")))]
        for column, name in enumerate(SHIFTS, start=1):
            value = real(item.get(name))
            cells.append(number(value))
            least, most = gates.get(name, (-math.inf, math.inf))
            if value is not None and not least <= value <= most:
                marks.add((line, column))
        cells.append(stretch(item.get("useful_range")))
        rows.append(tuple(cells))
    wanted = ", ".join(
        f"{SHIFTS[name]} {limits(least, most)}" for name, least, most in GATES if name in SHIFTS
    )
    return Table(
        "Attribute shifts",
        ("attribute", *SHIFTS.values(), "useful strengths"),
        tuple(rows),
        f"Marked cells miss what an attribute should reach ({wanted}). Score: flips × "
        "(1 − leakage) × content. Calibration: the part of the gap between the groups that "
        "strength 1 moves, 1 is exact. Leakage: how far it moves other attributes. Monotone: "
        "images whose attribute never falls as the strength grows. Retrieval: shifted images "
        "still nearest to their own original. Round trip: shifted, encoded, shifted back. "
        "Useful strengths: as far as other attributes stay.",
        marks=frozenset(marks),
    )


def _unseen(shifts: list[dict[str, Any]]) -> Iterator[Table]:
    rows = tuple(
        (plain(str(item.get("name", "?"))), str(item["unseen"]))
        for item in shifts
        if item.get("unseen")
    )
    if rows:
        yield Table("Attributes not to build on", ("attribute", "why"), rows, prose=True)


def _leakage(shifts: list[dict[str, Any]]) -> Iterator[Item]:
    names = [str(item.get("name", "?")) for item in shifts]
    values, related = (
        square([item.get(name) for item in shifts]) for name in ("leakage", "related")
    )
    if values is None or len(names) > MOST_LEAKS:
        yield Note(
            f"No heat map of leakage: it is drawn for up to {MOST_LEAKS} attributes with a figure "
            "for each pair."
        )
        return
    np.fill_diagonal(values, np.nan)
    brackets = np.zeros(values.shape, np.bool_) if related is None else related > 0
    alt = "Leakage of each attribute's shift into every other attribute"
    yield Figure(
        "Leakage",
        heat_map(values, brackets, names, alt),
        "Row: the attribute that is added at strength 1; column: the attribute that the judges "
        "then see move, as a part of its own gap between without and with. 0 (pale) is what one "
        "wants, 1 (dark) is a full change. In brackets: attributes that are related in the data "
        "and may rightly move together.",
    )

"""Evaluations as aligned text for a terminal: one model with intervals, or several side by side.

evaluations → tables, one for each topic → lines

Measures nothing, and judges nothing beyond the gates of `training.evaluation.quality`.
"""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, Any

from cli.evaluation_moves import move_tables
from cli.text_table import text_table
from training.evaluation.bootstrap import Estimate
from training.evaluation.quality import GATES, failed_gates
from training.evaluation.rungs import FITTED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from training.evaluation.fidelity import Ladder
    from training.evaluation.quality import ShiftQuality
    from training.evaluation.result import Evaluation

Figure = tuple[str, str, "Callable[[Evaluation], Any]"]
"""What it is, how it is written, where it is found; None there is shown as "-"."""

RECONSTRUCTION: tuple[Figure, ...] = (
    ("PSNR of each image, averaged, dB", ".2f", lambda e: e.reconstruction.psnr),
    ("the same at the judged size, dB", ".2f", lambda e: e.reconstruction.judged_psnr),
    ("mean squared error", ".3g", lambda e: e.reconstruction.mse),
    ("SSIM", ".4f", lambda e: e.reconstruction.ssim),
    ("sharpness, 1 as the images", ".3f", lambda e: e.reconstruction.sharpness),
    ("cross-entropy, nats (no likelihood)", ".1f", lambda e: e.reconstruction.cross_entropy),
    ("cross-entropy for each value", ".4f", lambda e: e.reconstruction.cross_entropy_per_value),
)
LIKELIHOOD: tuple[Figure, ...] = (
    ("rate: KL, nats", ".1f", lambda e: e.likelihood and e.likelihood.kl),
    ("distortion: σ of the decoder", ".4f", lambda e: e.likelihood and e.likelihood.sigma),
    ("-ELBO, one draw, nats", ".1f", lambda e: e.likelihood and e.likelihood.negative_elbo),
    (
        "the same, bits for each value",
        ".4f",
        lambda e: e.likelihood and e.likelihood.bits_per_value,
    ),
    (
        "-ELBO of the images below, nats",
        ".1f",
        lambda e: e.likelihood and e.likelihood.tight_negative_elbo,
    ),
    ("bound of many draws, nats", ".1f", lambda e: e.likelihood and e.likelihood.tight_bound),
    (
        "the same, bits for each value",
        ".4f",
        lambda e: e.likelihood and e.likelihood.tight_bits_per_value,
    ),
    ("squared error of a draw", ".3g", lambda e: e.likelihood and e.likelihood.draw_mse),
    (
        "cross-entropy of a draw, nats",
        ".1f",
        lambda e: e.likelihood and e.likelihood.draw_cross_entropy,
    ),
)
LATENTS: tuple[Figure, ...] = (
    ("latents", "d", lambda e: e.latents.dimension),
    ("active latents", "d", lambda e: e.latents.active_units),
    ("largest KL of a latent, nats", ".2f", lambda e: _most(e.latents.kl_per_latent)),
    ("aggregate: largest |mean|, wanted 0", ".3f", lambda e: e.latents.largest_mean),
    ("aggregate: smallest variance, wanted 1", ".3f", lambda e: e.latents.smallest_variance),
    ("aggregate: largest variance, wanted 1", ".3f", lambda e: e.latents.largest_variance),
    ("aggregate: largest |correlation|", ".3f", lambda e: e.latents.largest_correlation),
    ("aggregate: Gaussian's KL, nats", ".1f", lambda e: e.latents.gaussian_kl),
    ("aggregate: kurtosis, 1 of a Gaussian", ".3f", lambda e: e.latents.kurtosis),
    ("labels read by a line", ".3f", lambda e: e.probe and e.probe.linear),
    ("labels read by neighbours", ".3f", lambda e: e.probe and e.probe.neighbours),
    ("labels guessed", ".3f", lambda e: e.probe and e.probe.chance),
)
TOPICS = {"Reconstruction": RECONSTRUCTION, "Likelihood": LIKELIHOOD, "Latents": LATENTS}
SHIFTS: tuple[tuple[str, str, str], ...] = (
    ("judged", "judged", ".3f"),
    ("kept", "kept", ".3f"),
    ("flip", "flip_of_ceiling", ".3f"),
    ("removed", "removed", ".3f"),
    ("K(1)", "calibration", ".2f"),
    ("K(-1)", "calibration_back", ".2f"),
    ("leak", "leakage_mean", ".3f"),
    ("worst", "leakage_max", ".3f"),
    ("monotone", "monotone", ".3f"),
    ("content", "content", ".3f"),
    ("retrieval", "retrieval", ".3f"),
    ("score", "score", ".3f"),
)
"""Heading, field of `ShiftQuality`, how it is written."""


def tables(evaluations: Sequence[Evaluation]) -> str:
    """All tables, as text that ends in a newline."""
    parts = ["\n".join(_head(evaluation) for evaluation in evaluations)]
    alone = evaluations[0] if len(evaluations) == 1 else None
    for title, figures in TOPICS.items():
        rows = [_one(alone, f) if alone else _many(evaluations, f) for f in figures]
        shown = [row for row in rows if set(row[1:]) - {"-", ""}]
        if shown:
            columns = ["", "95 %", ""] if alone else [e.model for e in evaluations]
            parts.append(text_table([title, *columns], shown))
    if alone:
        parts += [_ladder(ladder) for ladder in alone.ladders]
        parts += _shifts(alone.shifts)
    else:
        parts += _ladders(evaluations)
        parts += _all_shifts(evaluations)
    parts += move_tables(evaluations)
    parts += [
        f"left out of {evaluation.model}: {left.what}: {left.why}"
        for evaluation in evaluations
        for left in evaluation.left_out
    ]
    return "\n\n".join(parts) + "\n"


def _head(evaluation: Evaluation) -> str:
    height, width, channels = evaluation.image
    line = (
        f"{evaluation.model}: {evaluation.latent} latents, {height}×{width}×{channels}; "
        f"{evaluation.test_images} test images of {evaluation.dataset}, judged at "
        f"{evaluation.judged[0]}×{evaluation.judged[1]}, seed {evaluation.options.seed}"
    )
    if evaluation.options.quick:
        line += "\nquick: few images, judges taught briefly; for a first look only"
    return line


def _one(evaluation: Evaluation, figure: Figure) -> list[str]:
    what, form, find = figure
    value = find(evaluation)
    if isinstance(value, Estimate):
        return [what, *(format(v, form) for v in (value.value, value.low, value.high))]
    return [what, "-" if value is None else format(value, form), "", ""]


def _many(evaluations: Sequence[Evaluation], figure: Figure) -> list[str]:
    what, form, find = figure
    row = [what]
    for evaluation in evaluations:
        value = find(evaluation)
        value = value.value if isinstance(value, Estimate) else value
        row.append("-" if value is None else format(value, form))
    return row


def _ladder(ladder: Ladder) -> str:
    heading = [f"FD-{ladder.extractor}", "FD", "±", "KID", "±"]
    heading += ["precision", "recall", "density", "coverage"]
    rows = [
        [
            rung.name,
            f"{rung.frechet:.3f}",
            f"{rung.frechet_spread:.3f}" if rung.seeds > 1 else "",
            f"{rung.kernel:.4f}",
            f"{rung.kernel_spread:.4f}",
            *(f"{v:.3f}" for v in (rung.precision, rung.recall, rung.density, rung.coverage)),
        ]
        for rung in ladder.rungs
    ]
    text = text_table(heading, rows)
    return text if ladder.enough else f"{text}\n{_few(ladder)}"


def _few(ladder: Ladder) -> str:
    return (
        f"{ladder.images} images are few for {ladder.features} features: "
        "read these distances beside each other only"
    )


def _ladders(evaluations: Sequence[Evaluation]) -> list[str]:
    found = []
    for first in evaluations[0].ladders:
        ladders = [evaluation.ladder(first.extractor) for evaluation in evaluations]
        rows = []
        for name in [rung.name for rung in first.rungs]:
            rungs = [ladder and ladder.rung(name) for ladder in ladders]
            rows.append([name, *(f"{rung.frechet:.3f}" if rung else "-" for rung in rungs)])
        fitted = [ladder and ladder.rung(FITTED) for ladder in ladders]
        for measure in ("precision", "recall", "density", "coverage"):
            values = (f"{getattr(rung, measure):.3f}" if rung else "-" for rung in fitted)
            rows.append([f"{FITTED}: {measure}", *values])
        heading = [f"FD-{first.extractor}", *(evaluation.model for evaluation in evaluations)]
        found.append(text_table(heading, rows) + ("" if first.enough else f"\n{_few(first)}"))
    return found


def _shifts(shifts: Sequence[ShiftQuality]) -> list[str]:
    if not shifts:
        return []
    rows, said = [], []
    for quality in shifts:
        failed = failed_gates(quality)
        figures = (format(getattr(quality, field), form) for _, field, form in SHIFTS)
        low, high = quality.useful_range
        gate = "FAIL" if failed else "pass"
        rows.append([quality.name, *figures, f"{low:g} to {high:g}", gate])
        said += [f"  {quality.name}: {reason}" for reason in failed]
    heading = ["Shifts", *(name for name, _, _ in SHIFTS), "useful", "gates"]
    wanted = ", ".join(_gate(*gate) for gate in GATES)
    lines = [text_table(heading, rows), f"gates: {wanted}"]
    return ["\n".join([*lines, *said])]


def _gate(name: str, least: float, most: float) -> str:
    if isinf(most):
        return f"{name} at least {least:g}"
    return f"{name} at most {most:g}" if isinf(least) else f"{name} {least:g} to {most:g}"


def _all_shifts(evaluations: Sequence[Evaluation]) -> list[str]:
    if not any(evaluation.shifts for evaluation in evaluations):
        return []
    names = next(e.shifts for e in evaluations if e.shifts)
    columns = [{quality.name: quality for quality in e.shifts} for e in evaluations]
    found = []
    for title, field in (
        ("Shifts: score", "score"),
        ("Shifts: flip of what is possible", "flip_of_ceiling"),
        ("Shifts: leakage", "leakage_mean"),
    ):
        rows = []
        for name in [quality.name for quality in names]:
            marks = (
                "-" if name not in column else f"{getattr(column[name], field):.3f}"
                for column in columns
            )
            rows.append([name, *marks])
        found.append(text_table([title, *(e.model for e in evaluations)], rows))
    passed = [
        f"{sum(not failed_gates(q) for q in e.shifts)} of {len(e.shifts)}" if e.shifts else "-"
        for e in evaluations
    ]
    found.append(
        text_table(["Shifts: gates", *(e.model for e in evaluations)], [["passed", *passed]])
    )
    return found


def _most(values: Sequence[float] | None) -> float | None:
    return max(values) if values else None

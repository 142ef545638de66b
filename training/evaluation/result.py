"""What an evaluation found: every number, how many images stand behind it, what was left out.

`Evaluation` → JSON (``evaluation.json``), or the few numbers that a manifest has room for
"""

from __future__ import annotations

from statistics import fmean
from typing import Literal

from pydantic import BaseModel, ConfigDict

from training.evaluation.classes import ClassShifts
from training.evaluation.fidelity import Ladder
from training.evaluation.groups import SIZES, Arithmetic
from training.evaluation.interpolations import Interpolation
from training.evaluation.latents import Latents
from training.evaluation.likelihood import Likelihood
from training.evaluation.options import EvaluationOptions
from training.evaluation.probe import Probe
from training.evaluation.quality import ShiftQuality, failed_gates
from training.evaluation.reconstruction import Reconstruction
from training.evaluation.rungs import BOUND, FITTED, GAUSSIAN, NORMAL, REBUILT, TRAINING

RUNGS = {
    TRAINING: "floor",
    REBUILT: "reconstruction",
    BOUND: "bound",
    FITTED: "fitted",
    GAUSSIAN: "gaussian",
    NORMAL: "normal",
}
"""Set of images → word in the names of the summary."""
SHIFT_FIGURES = ("flip_of_ceiling", "calibration", "leakage_mean", "monotone", "score")
DIGITS = 6


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LeftOut(_Frozen):
    """Something that was not measured, and why."""

    what: str
    why: str


class Evaluation(_Frozen):
    """One model on one set of held-out images.

    Attributes:
        schema_version: Of this document.
        model: Name and version.
        dataset: Name of the image set.
        image: (height, width, channels) of the model.
        judged: (height, width) at which images are judged and compared as sets.
        latent: L.
        test_images: Held-out images that were looked at.
        training_images: Training images of the set, which judges and probe learnt from.
        options: How much was looked at, and the seed.
        reconstruction: Of test images.
        likelihood: None for a plain autoencoder.
        latents: Of test images.
        probe: None without labels.
        ladders: Sets of images beside the test images, one ladder for each extractor.
        shifts: One for each attribute; empty without labels or directions.
        arithmetic: One for each formula and size; empty where no two attributes allow it.
        interpolations: One for each way between images.
        classes: One class made into another; None where labels are not classes.
        left_out: What is not here, and why.
    """

    schema_version: Literal[1] = 1
    model: str
    dataset: str
    image: tuple[int, int, int]
    judged: tuple[int, int]
    latent: int
    test_images: int
    training_images: int
    options: EvaluationOptions
    reconstruction: Reconstruction
    likelihood: Likelihood | None
    latents: Latents
    probe: Probe | None
    ladders: tuple[Ladder, ...]
    shifts: tuple[ShiftQuality, ...]
    arithmetic: tuple[Arithmetic, ...] = ()
    interpolations: tuple[Interpolation, ...] = ()
    classes: ClassShifts | None = None
    left_out: tuple[LeftOut, ...]

    def ladder(self, extractor: str) -> Ladder | None:
        """That of ``judge`` or ``random``, if there is one."""
        return next((ladder for ladder in self.ladders if ladder.extractor == extractor), None)

    def summary(self) -> dict[str, float]:
        """The numbers to compare models by, flat; what was left out is not in it."""
        found = {
            "images": float(self.test_images),
            "active_units": float(self.latents.active_units),
            "largest_correlation": self.latents.largest_correlation,
        }
        found |= _of_reconstruction(self.reconstruction)
        if self.likelihood is not None:
            found |= _of_likelihood(self.likelihood)
        if self.probe is not None:
            found["probe_linear"] = self.probe.linear.value
            found["probe_neighbours"] = self.probe.neighbours.value
        for ladder in self.ladders:
            found |= _of_ladder(ladder)
        if self.shifts:
            found |= _of_shifts(self.shifts)
        found |= _of_arithmetic(self.arithmetic)
        found |= _of_interpolations(self.interpolations)
        if self.classes is not None:
            found |= _of_classes(self.classes)
        return {name: _rounded(value) for name, value in found.items()}


class Comparison(_Frozen):
    """Several models on the same images, judged by the same judges."""

    schema_version: Literal[1] = 1
    evaluations: tuple[Evaluation, ...]


def _of_reconstruction(rebuilt: Reconstruction) -> dict[str, float]:
    found = {
        name: getattr(rebuilt, name).value for name in ("psnr", "mse", "sharpness", "cross_entropy")
    }
    return found if rebuilt.ssim is None else {**found, "ssim": rebuilt.ssim.value}


def _of_likelihood(likelihood: Likelihood) -> dict[str, float]:
    return {
        "kl": likelihood.kl.value,
        "negative_elbo": likelihood.negative_elbo.value,
        "bits_per_value": likelihood.bits_per_value,
        "tight_bits_per_value": likelihood.tight_bits_per_value,
    }


def _of_ladder(ladder: Ladder) -> dict[str, float]:
    found = {
        f"fd_{ladder.extractor}_{RUNGS[rung.name]}": rung.frechet
        for rung in ladder.rungs
        if rung.name in RUNGS
    }
    fitted = ladder.rung(FITTED)
    if fitted is not None:
        for name in ("precision", "recall", "density", "coverage"):
            found[f"{name}_{ladder.extractor}"] = getattr(fitted, name)
    return found


def _of_shifts(shifts: tuple[ShiftQuality, ...]) -> dict[str, float]:
    found = {name: fmean(getattr(quality, name) for quality in shifts) for name in SHIFT_FIGURES}
    found["attributes"] = len(shifts)
    found["attributes_passed"] = sum(not failed_gates(quality) for quality in shifts)
    found["score_lowest"] = min(quality.score for quality in shifts)
    return found


def _of_arithmetic(found: tuple[Arithmetic, ...]) -> dict[str, float]:
    """Mean over the formulae with the smaller groups, which all image sets have that have any."""
    rates = [one.success.value for one in found if one.size == min(SIZES)]
    return {"arithmetic_success": fmean(rates)} if rates else {}


def _of_interpolations(found: tuple[Interpolation, ...]) -> dict[str, float]:
    """Of the straight way, which asks the most of a latent space."""
    return {
        f"interpolation_{name}": value
        for one in found
        if one.path == "linear"
        for name, value in (
            ("distance", one.distance),
            ("inside", one.inside),
            ("step", one.step.value),
        )
    }


def _of_classes(found: ClassShifts) -> dict[str, float]:
    return {
        "class_flip": found.flip_mean,
        "class_flip_lowest": found.flip_lowest,
        "class_content": found.content_mean,
    }


def _rounded(value: float) -> float:
    """Six significant digits: what is behind them is chance."""
    return float(f"{value:.{DIGITS}g}")

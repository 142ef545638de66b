"""The figures of one attribute, and what an attribute should reach.

figures → flat numbers for the manifest · gates that fail; nothing is measured here
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf

DIGITS = 4

GATES: tuple[tuple[str, float, float], ...] = (
    ("flip_of_ceiling", 0.90, inf),
    ("calibration", 0.80, 1.20),
    ("leakage_mean", -inf, 0.10),
    ("monotone", 0.95, inf),
    ("retrieval", 0.95, inf),
)
"""Figure, least and most that every attribute should have."""


@dataclass(frozen=True)
class ShiftQuality:
    """Held-out figures of one attribute; shares in [0, 1].

    N_a are test images without it to which it can be added (`related.addable`; all without it if
    those are too few), P_a those with it, R is the reconstruction. Where two judges differ, the
    worse answer counts.

    Attributes:
        name: Of the attribute.
        images: How many of N_a and P_a were looked at.
        unseen: Why nothing here should be believed; empty if the judges see the attribute.
        addable: Share of the images without it to which it can be added.
        judged: Balanced accuracy of the judges on real images.
        kept: The same on reconstructions.
        flip: Share of N_a, shown without it by R, that show it at strength 1.
        ceiling: Share of P_a whose R shows it: what flip could reach.
        flip_of_ceiling: Their ratio, at most 1.
        flip_any: ``flip`` over all images without it, those included that could not have it.
        removed: Share of P_a, shown with it by R, that no longer show it at strength -1.
        gap: Difference of the mean logits of R(P_a) and R(N_a).
        calibration: Part of the gap that strength 1 moves N_a; wanted 1.
        calibration_any: The same over all images without it.
        calibration_back: Part of the gap that strength -1 moves P_a; wanted -1.
        linearity: R² of the mean logit over strengths -1 to 2.
        monotone: Share of images whose probability never falls along them.
        leakage_mean: Mean of ``leakage`` over attributes that are not related and are seen.
        leakage_max: The worst of them.
        leakage_related: The worst of the related ones.
        others_kept: Share of the unrelated attributes' verdicts that stay, at 1 and at -1.
        content: What the second judge's features keep beside attribute and related ones: 1 is
            all, 0 is what two random images share.
        retrieval: Share of shifted images whose nearest R is their own, by the pixels that tell
            nothing of attribute and related ones.
        ssim: Between R and shifted image.
        round_trip: PSNR in dB of R and the shifted image that was encoded and shifted back.
        consistency: Part of the strength that the encoder finds in the shifted image.
        plausibility: Fréchet distance of shifted N_a to real P_a in the first judge's features.
        plausibility_rebuilt: The same of R(P_a): what the shift could reach.
        score: flip_of_ceiling · (1 - leakage_mean) · content.
        leakage: For each attribute, the part of its gap that strength 1 moves it, relative to
            ``calibration``; the attribute's own is 0.
        others_flipped: For each attribute, the share of N_a whose verdict on it changes.
        phi: Correlation of each attribute's training labels with this one's.
        related: Whether each attribute is related to this one, itself included.
        intervals: Figure → what 95 % of the bootstrap's draws lie within.
        useful_range: Strengths up to which the unrelated attributes' verdicts stay.
    """

    name: str
    images: tuple[int, int]
    unseen: str
    addable: float
    judged: float
    kept: float
    flip: float
    ceiling: float
    flip_of_ceiling: float
    flip_any: float
    removed: float
    gap: float
    calibration: float
    calibration_any: float
    calibration_back: float
    linearity: float
    monotone: float
    leakage_mean: float
    leakage_max: float
    leakage_related: float
    others_kept: float
    content: float
    retrieval: float
    ssim: float
    round_trip: float
    consistency: float
    plausibility: float
    plausibility_rebuilt: float
    score: float
    leakage: tuple[float, ...]
    others_flipped: tuple[float, ...]
    phi: tuple[float, ...]
    related: tuple[bool, ...]
    intervals: dict[str, tuple[float, float]]
    useful_range: tuple[float, float]

    def figures(self) -> dict[str, float]:
        """Every single number by name, rounded, and the intervals; ``added`` is ``flip``."""
        found: dict[str, float] = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if isinstance(getattr(self, field.name), float)
        }
        found["added"] = self.flip
        for name, (low, high) in self.intervals.items():
            found[f"{name}_low"], found[f"{name}_high"] = low, high
        return {name: round(value, DIGITS) for name, value in found.items()}


def failed_gates(quality: ShiftQuality) -> list[str]:
    """The gates of `GATES` that ``quality`` fails, each with value and limit; empty if none."""
    failed = [quality.unseen] if quality.unseen else []
    for name, least, most in GATES:
        value = getattr(quality, name)
        if not least <= value <= most:
            limit = f"at most {most:g}" if value > most else f"at least {least:g}"
            failed.append(f"{name} is {value:.3f}, wanted {limit}")
    return failed

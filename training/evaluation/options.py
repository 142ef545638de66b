"""How much an evaluation looks at: numbers of images, seeds and draws."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EvaluationOptions(BaseModel):
    """What the caller decides; the defaults take minutes on one core at 64 × 64 pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(default=2000, ge=8)
    """Test images, and images of each set that is compared with them; fewer if there are fewer."""
    seed: int = Field(default=0, ge=0)
    """Of everything that is drawn."""
    seeds: int = Field(default=3, ge=1)
    """How often samples are drawn, for each prior."""
    judge_steps: int = Field(default=300, ge=1)
    """Batches that each judge learns from."""
    training_images: int = Field(default=6000, ge=8)
    """Training images whose means teach the probe and the single Gaussian."""
    calibration_images: int = Field(default=500, ge=1)
    """Training images that the decoder's σ is measured on."""
    tight_images: int = Field(default=128, ge=1)
    """Test images that are given the importance-weighted bound."""
    tight_draws: int = Field(default=64, ge=1)
    """Draws of that bound for each of them."""
    shift_images: int = Field(default=400, ge=1)
    """Test images without, and with, an attribute that are shifted."""
    grid_images: int = Field(default=200, ge=1)
    """Test images that are shifted by every strength."""
    arithmetic_draws: int = Field(default=500, ge=1)
    """Draws of groups whose means are added, for each formula and size."""
    pairs: int = Field(default=1000, ge=6)
    """Pairs of test images whose midpoints are looked at, for each way between them."""
    step_pairs: int = Field(default=200, ge=1)
    """Pairs of them that are gone step by step."""
    class_shifts: int = Field(default=9000, ge=1)
    """Images that are made into another class, all pairs of classes together."""
    draws: int = Field(default=1000, ge=0)
    """Of the bootstrap."""
    quick: bool = False
    """Whether the numbers were cut down to get done in a minute."""

    def cut_down(self) -> EvaluationOptions:
        """The same with numbers that take about a minute."""
        small = {
            "count": 500,
            "seeds": 1,
            "judge_steps": 60,
            "training_images": 1000,
            "calibration_images": 100,
            "tight_images": 8,
            "shift_images": 60,
            "grid_images": 30,
            "arithmetic_draws": 60,
            "pairs": 150,
            "step_pairs": 30,
            "class_shifts": 1800,
            "draws": 200,
        }
        cut = {name: min(value, getattr(self, name)) for name, value in small.items()}
        return self.model_copy(update={**cut, "quick": True})

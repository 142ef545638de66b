"""Optimiser and learning rate of a preset.

parameters, steps in all → optimiser, and a schedule after each batch if the rate changes
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn
    from torch.optim import Optimizer

    from training.presets import Preset

LAST_RATE = 0.01
"""Where the cosine ends, as a share of the highest rate."""
RMS_DECAY = 0.9
"""Keras' ρ of RMSprop; torch's own default is 0.99."""


def configure(preset: Preset, parameters: Iterable[nn.Parameter], steps: int) -> dict[str, Any]:
    """What Lightning's ``configure_optimizers`` gives for ``preset`` and ``steps`` in all."""
    optimiser = _optimiser(preset, parameters)
    if preset.schedule == "constant":
        return {"optimizer": optimiser}
    warm_up = min(preset.warm_up_steps, steps // 10)

    def rate(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        progress = min(1.0, (step - warm_up) / max(1, steps - warm_up))
        return LAST_RATE + (1.0 - LAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * progress))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _optimiser(preset: Preset, parameters: Iterable[nn.Parameter]) -> Optimizer:
    rate, decay, epsilon = preset.learning_rate, preset.weight_decay, preset.epsilon
    if preset.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, eps=epsilon, weight_decay=decay)
    if preset.optimiser == "adam":
        # Here the decay is added to the gradient, as in the books that use it.
        return torch.optim.Adam(parameters, lr=rate, eps=epsilon, weight_decay=decay)
    return torch.optim.RMSprop(
        parameters, lr=rate, alpha=RMS_DECAY, eps=epsilon, weight_decay=decay
    )

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch

from training.optimisers import configure
from training.presets import PRESETS

OWN = PRESETS["faces-64"]


def _configured(steps: int, **changes: Any) -> dict[str, Any]:
    parameters = [torch.nn.Parameter(torch.ones(2))]
    return configure(OWN.model_copy(update=changes), parameters, steps)


def test_the_rate_rises_then_falls_to_almost_nothing() -> None:
    configured = _configured(100, warm_up_steps=4)
    optimiser, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(100):
        rates.append(schedule.get_last_lr()[0] / OWN.learning_rate)
        optimiser.step()
        schedule.step()
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert all(later <= earlier for earlier, later in pairwise(rates[4:]))
    assert rates[-1] == pytest.approx(0.01, abs=0.01)


def test_a_constant_rate_has_no_schedule() -> None:
    assert _configured(100, schedule="constant").keys() == {"optimizer"}


@pytest.mark.parametrize(
    ("preset", "kind", "wanted"),
    [
        ("faces-64", torch.optim.AdamW, {"initial_lr": 2e-3, "weight_decay": 1e-4}),
        ("foster-fashion-ae", torch.optim.Adam, {"lr": 1e-3, "eps": 1e-7, "weight_decay": 0}),
        ("foster-faces-32", torch.optim.Adam, {"lr": 5e-4, "eps": 1e-7, "betas": (0.9, 0.999)}),
        ("chollet-mnist-1e", torch.optim.RMSprop, {"lr": 1e-3, "alpha": 0.9, "eps": 1e-7}),
        ("liu-mnist-ae", torch.optim.Adam, {"lr": 2.5e-4, "eps": 1e-8, "weight_decay": 0}),
        ("liu-glasses-256", torch.optim.Adam, {"lr": 1e-4, "eps": 1e-8, "weight_decay": 1e-5}),
    ],
)
def test_the_optimiser_is_that_of_the_recipe(
    preset: str, kind: type[torch.optim.Optimizer], wanted: dict[str, Any]
) -> None:
    parameters = [torch.nn.Parameter(torch.ones(2))]
    optimiser = configure(PRESETS[preset], parameters, 100)["optimizer"]
    assert type(optimiser) is kind
    assert wanted.items() <= optimiser.param_groups[0].items()

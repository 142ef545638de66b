"""Which way a shift goes in training, and what must come of it.

labels [B, A], attribute [B] → strengths [B, A] · directions → shifted latent; labels afterwards

A caller moves along one direction, by about 1, sometimes further, and sometimes towards what the
image shows already. Training asks for all of that: what is served is what was practised.

1. Where attributes exclude each other, a move along one direction alone must still end in labels
   that occur: glasses take the sunglasses off.
2. Only a move by exactly 1 has a known place where the encoder must find its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from training.flips import flipped

if TYPE_CHECKING:
    from torch import Tensor

    from training.draws import Draws

WHOLE, SINGLE, FAR = 0.25, 0.35, 0.2
"""Shares of moves along all labels that change, along one by 1, along one by 1 to 2; the rest go
further into what the image shows already."""


class Moves(NamedTuple):
    """What B shifts do.

    Attributes:
        strengths: float [B, A], times directions [A, L] is what the latent moves by.
        target: float [B, A], the labels afterwards.
        place: float [B, A], the strengths at whose latent the encoder should find the result.
        placed: bool [B], whether there is such a place.
    """

    strengths: Tensor
    target: Tensor
    place: Tensor
    placed: Tensor


def draw_moves(labels: Tensor, attribute: Tensor, rows: Tensor, draws: Draws) -> Moves:
    """One move for each row.

    Args:
        labels: float [B, A] of 0 and 1.
        attribute: int64 [B], what each row is shifted along.
        rows: float [K, A], label rows that occur (`training.flips.common_rows`).
        draws: The random numbers of the step.
    """
    count = len(labels)
    kind, extent = (draws.uniform(count).to(labels) for _ in range(2))
    tie_break = draws.uniform(count, len(rows)).to(labels)
    target = flipped(labels, attribute, rows, tie_break)
    sign = 1.0 - 2.0 * labels.gather(1, attribute[:, None])
    single = torch.zeros_like(labels).scatter(1, attribute[:, None], sign)
    whole = target - labels
    strengths = torch.where((kind < WHOLE)[:, None], whole, single)
    far = ((kind >= WHOLE + SINGLE) & (kind < WHOLE + SINGLE + FAR))[:, None]
    further = (kind >= WHOLE + SINGLE + FAR)[:, None]
    strengths = torch.where(far, single * (1.0 + extent)[:, None], strengths)
    strengths = torch.where(further, single * (-2.0 * extent)[:, None], strengths)
    target = torch.where(further, labels, target)
    return Moves(strengths, target, whole, ~(far | further)[:, 0])

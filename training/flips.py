"""Which label row a flip of one attribute leads to.

labels [B, A], attribute of each row [B] → nearest row of the training set that has it flipped

Attributes can exclude each other: who puts on sunglasses takes the glasses off, and a shirt that
becomes a coat is no shirt any more. Rows that occur in the data know this; nothing has to be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ROWS = 2048
"""Only so many of the commonest label rows are kept."""


def common_rows(labels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The distinct rows of ``labels`` bool [N, A], commonest first, bool [K, A]."""
    rows, counts = np.unique(labels, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MAX_ROWS]
    return np.asarray(rows[order])


def flipped(labels: Tensor, attribute: Tensor, rows: Tensor, tie_break: Tensor) -> Tensor:
    """For each row the nearest known row with ``attribute`` flipped, float [B, A].

    Args:
        labels: float [B, A] of 0 and 1.
        attribute: int64 [B], the attribute to flip in each row.
        rows: float [K, A], the known rows.
        tie_break: float [B, K] in [0, 1), chooses among rows at the same distance.

    Where no known row has the attribute flipped, the row comes back with that one bit changed.
    """
    distance = (labels[:, None, :] - rows[None]).abs().sum(dim=2) + 0.5 * tie_break
    mine = labels.gather(1, attribute[:, None])
    same = rows.T[attribute] == mine
    distance = distance.masked_fill(same, torch.inf)
    nearest, choice = distance.min(dim=1)
    single = labels.scatter(1, attribute[:, None], 1.0 - mine)
    return torch.where(nearest.isinf()[:, None], single, rows[choice])

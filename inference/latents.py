"""Arithmetic on latents: which attributes a request names, and where they move a latent.

    {name: strength} → strengths float32 [1, A];  z [N, L] + Σ strength · direction → [N, L]

Knows no graph, no image and no random number.

1. Attributes are added in the manifest's order, element by element and without BLAS: the order of
   a request's names and the number of its rows cannot change a bit of the result.
2. A strength of 0 leaves the latents as they are.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import numpy as np

from inference.errors import InvalidRequest, ShapeMismatch, UnknownAttribute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

MAX_STRENGTH = 10.0
"""Ten times the distance between the two groups' means; past it a decoder shows only artefacts."""


def strength_row(strengths: Mapping[str, float], names: Sequence[str]) -> Float32:
    """Strengths by name → float32 [1, A] in the order of ``names``, 0 for those not named.

    Raises:
        UnknownAttribute: A name is not among ``names``; the nearest ones are in the details.
        InvalidRequest: A strength is no number, not finite or beyond ±10.
    """
    row = np.zeros((1, len(names)), np.float32)
    for name, strength in strengths.items():
        if name not in names:
            raise _unknown(name, names)
        row[0, names.index(name)] = _checked(name, strength)
    return row


def check_strengths(strengths: NDArray[np.generic], attributes: int, rows: int) -> Float32:
    """Strengths given as an array → float32 [1 or N, A].

    Args:
        strengths: [A] for all latents alike, or [N, A].
        attributes: A, the number of the bundle's attributes.
        rows: N, the number of latents.

    Raises:
        ShapeMismatch: The shape is neither [A] nor [N, A], or the datatype is no float.
        InvalidRequest: A strength is not finite or beyond ±10.
    """
    table = strengths[None] if strengths.ndim == 1 else strengths
    if table.shape not in {(1, attributes), (rows, attributes)} or table.dtype.kind != "f":
        raise ShapeMismatch(
            f"strengths are {strengths.dtype} {list(strengths.shape)}, but must be float32 "
            f"[{attributes}] or [{rows}, {attributes}]: one column for each attribute of the model"
        )
    # Written so that NaN fails too.
    if not (np.abs(table) <= MAX_STRENGTH).all():
        worst = table.flat[int(np.argmin(np.abs(table) <= MAX_STRENGTH))]
        raise InvalidRequest(_beyond("a strength", float(worst)))
    return table.astype(np.float32)


def shifted(latents: Float32, strengths: Float32, directions: Float32) -> Float32:
    """Latents moved along the directions.

    Args:
        latents: float32 [N, L].
        strengths: float32 [1, A] or [N, A].
        directions: float32 [A, L].

    Returns:
        float32 [N, L]: ``latents + Σ strengths[:, a] · directions[a]``.
    """
    moved = latents
    for column, direction in zip(strengths.T, directions, strict=True):
        if column.any():
            moved = moved + column[:, None] * direction
    return moved


def _checked(name: str, strength: float) -> float:
    if isinstance(strength, bool) or not isinstance(strength, int | float):
        raise InvalidRequest(
            f"the strength of {name!r} is {strength!r}, but must be a number "
            f"from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
        )
    # One comparison that NaN fails too, and that an integer too large for a float survives.
    if not abs(strength) <= MAX_STRENGTH:
        raise InvalidRequest(_beyond(f"the strength of {name!r}", strength))
    return float(strength)


def _beyond(what: str, strength: float) -> str:
    shown = f"{strength:g}" if isinstance(strength, float) else "an integer"
    return (
        f"{what} is {shown}, but must lie from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}; "
        "1 moves an image all the way to the attribute, and the model's attributes list their "
        "useful range"
    )


def _unknown(name: str, names: Sequence[str]) -> UnknownAttribute:
    shown = name if len(name) <= 64 else f"{name[:64]}…"  # noqa: PLR2004 - one line of an error
    nearest = difflib.get_close_matches(shown, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(n) for n in nearest)}? " if nearest else ""
    listed = ", ".join(names) or "none"
    return UnknownAttribute(
        f"no attribute {shown!r} in this model; {hint}its attributes are: {listed}",
        details={"attribute": shown, "nearest": nearest, "attributes": list(names)},
    )

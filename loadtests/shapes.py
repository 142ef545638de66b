"""How many users there are, and when.

    shape, users, seconds → phases, one after the other

- steady: the same users all the time.
- steps: 1, 2, 3, 4, 6, 8, 12, … users, until the p95 asked for is missed (`loadtests.knee`).
- spike: eight times the users in the middle third.
- soak: the same users for minutes, in quarters that can be compared.
"""

from __future__ import annotations

from typing import NamedTuple

SHAPES = ("steady", "steps", "spike", "soak")
STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
STEP_S = 6.0
MAX_STEPS_S = 150.0
"""All steps together, so that a run with its start and end stays under three minutes."""
SPIKE = 8
QUARTERS = 4


class Phase(NamedTuple):
    """So many users for so long."""

    name: str
    users: int
    seconds: float


def phases(shape: str, users: int, seconds: float) -> tuple[Phase, ...]:
    """The phases of ``shape``.

    Args:
        shape: One of `SHAPES`.
        users: Of steady and soak, and of spike outside its spike; the most that steps goes to.
        seconds: Of the whole run; for steps, of each step.

    Raises:
        ValueError: There is no such shape, or a step would be longer than all may be together.
    """
    if shape == "steady":
        return (Phase("steady", users, seconds),)
    if shape == "steps":
        if seconds > MAX_STEPS_S:
            raise ValueError(
                f"a step of {seconds:g} s is longer than all steps may be ({MAX_STEPS_S:g} s); "
                "shorten it, or take the shape steady"
            )
        counts = [count for count in STEPS if count <= users][: int(MAX_STEPS_S / seconds)]
        return tuple(
            Phase(f"step {place}", count, seconds) for place, count in enumerate(counts, 1)
        )
    if shape == "spike":
        third = seconds / 3
        names = (("before", users), ("spike", SPIKE * users), ("after", users))
        return tuple(Phase(name, count, third) for name, count in names)
    if shape == "soak":
        quarter = seconds / QUARTERS
        return tuple(
            Phase(f"quarter {place} of {QUARTERS}", users, quarter)
            for place in range(1, QUARTERS + 1)
        )
    raise ValueError(f"there is no shape {shape!r}; take one of {', '.join(SHAPES)}")

"""The contract refuses arrays that do not belong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.data import Dataset, Problems, Split

WHOLE = Dataset(
    name="tiny",
    licence="CC0-1.0",
    images=np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1),
    keys=("a", "b", "c"),
    attributes=("hat",),
    labels=np.array([[True], [False], [True]]),
    splits=np.array([0, 2, 0], np.int8),
    problems=Problems(),
)


def test_part_keeps_rows_together() -> None:
    part = WHOLE.part(Split.TRAIN)
    assert (part.keys, part.images[:].ravel().tolist(), part.labels.ravel().tolist()) == (
        ("a", "c"),
        [0, 2],
        [True, True],
    )
    assert len(WHOLE.part(Split.VALIDATION)) == 0


def test_summary_says_parts_and_counts() -> None:
    assert WHOLE.summary().splitlines() == [
        "tiny: 3 images of 1×1×1 (2 train, 0 validation, 1 test), licence: CC0-1.0",
        "attributes: hat 2",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((3, 1, 1, 1), np.float32)}, "uint8"),
        ({"keys": ("a", "b")}, "do not agree"),
        ({"keys": ("a", "b", "a")}, "unique"),
        ({"labels": np.zeros((3, 2), np.bool_)}, "do not agree"),
        ({"splits": np.zeros(2, np.int8)}, "do not agree"),
    ],
)
def test_parts_that_do_not_agree_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(WHOLE, **change)  # type: ignore[arg-type]

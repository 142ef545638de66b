"""Engine options: what no engine can keep to is refused at the start."""

from __future__ import annotations

from typing import Any

import pytest

from inference.cores import available_cores
from inference.options import EngineOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu"}, "choose auto, cpu or cuda"),
        ({"threads": -1}, "threads is -1; it must lie from 0"),
        ({"threads": 5000}, "threads is 5000"),
        ({"max_batch_size": 0}, "max_batch_size is 0; it must lie from 1 to 4096"),
        ({"max_queue_size": 0}, "max_queue_size is 0"),
        ({"max_items": 0}, "max_items is 0"),
        ({"max_queue_delay_ms": -1.0}, "max_queue_delay_ms is -1"),
        ({"max_queue_delay_ms": float("nan")}, "finite"),
        ({"max_queue_delay_ms": float("inf")}, "finite"),
        ({"max_items": 513}, "max_items is 513, above max_queue_size"),
    ],
    ids=str,
)
def test_limits_that_cannot_be_kept_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EngineOptions(**options)


def test_no_threads_means_one_per_core() -> None:
    assert EngineOptions().thread_count == available_cores()
    assert EngineOptions(threads=3).thread_count == 3


@pytest.mark.parametrize(
    ("largest", "sizes"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))]
)
def test_warm_up_covers_powers_of_two_and_the_largest(largest: int, sizes: tuple[int, ...]) -> None:
    assert EngineOptions(max_batch_size=largest).warm_up_sizes == sizes

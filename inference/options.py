"""What an engine is told at its start: where it runs and how much it takes at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from inference.cores import available_cores

Device = Literal["auto", "cpu", "cuda"]
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
"""What ONNX Runtime calls them."""

_MOST = {
    "threads": 1024,
    "max_batch_size": 4096,
    "max_queue_size": 1_000_000,
    "max_items": 1_000_000,
}


@dataclass(frozen=True)
class EngineOptions:
    """Limits and device of one engine.

    Attributes:
        device: ``cuda`` insists on a GPU, ``auto`` takes one where it works, ``cpu`` never.
        threads: Batches that run at once on a CPU, and codecs at once; 0 is one per core.
        max_batch_size: Items of one micro-batch at most.
        max_queue_size: Items that may wait for each graph; a request beyond is refused.
        max_queue_delay_ms: How long a batch that is not full may wait for more items.
        max_items: Items of one request at most; not above ``max_queue_size``.
        cuda_graphs: Whether a GPU may replay a captured graph for each batch size.
    """

    device: Device = "auto"
    threads: int = 0
    max_batch_size: int = 32
    max_queue_size: int = 512
    max_queue_delay_ms: float = 0.0
    max_items: int = 256
    cuda_graphs: bool = True

    def __post_init__(self) -> None:
        """Refuse what no engine can keep to."""
        if self.device not in get_args(Device):
            raise ValueError(f"device is {self.device!r}; choose auto, cpu or cuda")
        for name, most in _MOST.items():
            value, least = getattr(self, name), 0 if name == "threads" else 1
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}; it must lie from {least} to {most}")
        if not (math.isfinite(self.max_queue_delay_ms) and self.max_queue_delay_ms >= 0):
            raise ValueError(
                f"max_queue_delay_ms is {self.max_queue_delay_ms}; it must be finite and at least 0"
            )
        if self.max_items > self.max_queue_size:
            raise ValueError(
                f"max_items is {self.max_items}, above max_queue_size ({self.max_queue_size}): a "
                "full request could never be queued; lower max_items or raise max_queue_size"
            )

    @property
    def thread_count(self) -> int:
        """The threads to start: ``threads``, or one per core."""
        return self.threads or available_cores()

    @property
    def warm_up_sizes(self) -> tuple[int, ...]:
        """The batch sizes to run before the first request: powers of two and the maximum."""
        powers = (1 << exponent for exponent in range(self.max_batch_size.bit_length()))
        return tuple(sorted({*powers, self.max_batch_size}))

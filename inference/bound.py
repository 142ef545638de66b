"""A graph run on buffers that stay: what lets small batches keep a GPU busy.

    rows [n, …] → host buffer of the next larger bucket → device → run, or replay what was captured
                → device → host buffer → outputs [n, …]

A bucket is a batch size that has buffers of its own, and on CUDA a captured graph of its own, whose
kernels are launched by one call. Knows no bundle and no batch.

1. All calls come from the thread that made the buckets: captured graphs belong to it.
2. What is given and what is returned are copies; the next batch writes into the buffers again.
3. Rows behind the n-th are an earlier batch's, and nobody is given what becomes of them.
4. A way of running is taken only after it gave what the plain one gives, at every bucket.
5. On a CPU there is neither pinned memory nor capture; all else is the same.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnxruntime as ort

from inference.options import CUDA

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inference.ticket import Outputs, Rows

_logger = logging.getLogger(__name__)

Memory = Literal["cpu", "cuda"]
_CAPTURES_AFTER = 3
"""Runs after which ONNX Runtime surely replays what it captured; it captures at the second."""
_GREY_LEVELS = 1
_TOLERANCE = 1e-3
_UNCAPTURED = "-1"
"""The graph id by which ONNX Runtime neither captures nor replays."""
_NUMPY = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(int64)": np.int64}


@dataclass(frozen=True)
class Way:
    """How a graph is run.

    Attributes:
        memory: Where its buffers are.
        pinned: Whether the host's buffers are such that the device copies them by itself.
        captured: Whether each bucket is one CUDA graph.
    """

    memory: Memory
    pinned: bool = False
    captured: bool = False

    def __str__(self) -> str:
        """For logs and the start-up line."""
        host = "pinned memory" if self.pinned else "buffers that stay"
        return f"CUDA graphs, {host}" if self.captured else host


def ways(*, captured: bool) -> tuple[Way, ...]:
    """The ways of a session on CUDA, the fastest first.

    Args:
        captured: Whether the session was opened for CUDA graphs.
    """
    captures = (True, False) if captured else (False,)
    return tuple(
        Way("cuda", pinned=pinned, captured=capture)
        for capture in captures
        for pinned in (True, False)
    )


class BoundGraph:
    """One graph with its buckets.

    Args:
        session: With one input and outputs of known row shapes.
        sizes: Of the buckets.
        way: How to run.

    Attributes:
        largest: Rows of the largest bucket.
        way: As above.

    Raises:
        Exception: Whatever ONNX Runtime raises where the way cannot be had.
    """

    def __init__(self, session: ort.InferenceSession, sizes: Sequence[int], way: Way) -> None:
        """Make the buffers, and run each bucket until it is captured."""
        self.way = way
        self._sizes = sorted(sizes)
        self.largest = self._sizes[-1]
        self._buckets = [_Bucket(session, size, way) for size in self._sizes]

    def __call__(self, rows: Rows) -> Outputs:
        """Run rows [n, …], n from 1 to `largest`; outputs [n, …]."""
        return self._buckets[bisect_left(self._sizes, len(rows))].run(rows)

    def check(self, plain: Callable[[Rows], Outputs]) -> None:
        """Compare it with the plain way, at each bucket full and not full.

        Raises:
            ValueError: They differ by more than a grey level, or a thousandth of the largest value.
        """
        for bucket in self._buckets:
            for count in {bucket.size, max(1, bucket.size - 1)}:
                rows = bucket.some_rows(count)
                for found, wanted in zip(self(rows), plain(rows), strict=True):
                    _check_near(found, wanted)


class _Bucket:
    """A batch size with its buffers."""

    def __init__(self, session: ort.InferenceSession, size: int, way: Way) -> None:
        self.size = size
        self._session = session
        self._given = _Buffer(session.get_inputs()[0], size, way)
        self._made = [_Buffer(output, size, way) for output in session.get_outputs()]
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(self._given.name, self._given.there)
        for buffer in self._made:
            self._binding.bind_ortvalue_output(buffer.name, buffer.there)
        self._options = ort.RunOptions()
        if way.memory == "cuda":
            graph_id = str(size) if way.captured else _UNCAPTURED
            self._options.add_run_config_entry("gpu_graph_id", graph_id)
        for _ in range(_CAPTURES_AFTER):
            self.run(self.some_rows(size))

    def run(self, rows: Rows) -> Outputs:
        self._given.send(rows)
        self._session.run_with_iobinding(self._binding, self._options)
        return tuple(buffer.fetch(len(rows)) for buffer in self._made)

    def some_rows(self, count: int) -> Rows:
        shape, dtype = (count, *self._given.here.shape[1:]), self._given.here.dtype
        chance = np.random.default_rng(count)
        if dtype.kind == "f":
            return chance.standard_normal(shape).astype(dtype)
        return chance.integers(0, 256, shape).astype(dtype)


class _Buffer:
    """Rows of one tensor on the host and, where there is one, on the device."""

    def __init__(self, spec: ort.NodeArg, size: int, way: Way) -> None:
        shape, dtype = [size, *spec.shape[1:]], _NUMPY[spec.type]
        self.name: str = spec.name
        self._pinned = way.pinned
        make = ort.OrtValue.ortvalue_from_shape_and_type
        self._host = (
            make(shape, dtype, memory_info=_pinned_memory()) if way.pinned else make(shape, dtype)
        )
        self.there = make(shape, dtype, way.memory)
        self.here: Rows = self._host.numpy()
        self.here[:] = 0
        self._size = size

    def send(self, rows: Rows) -> None:
        self.here[: len(rows)] = rows
        self.there.update_inplace(self._host if self._pinned else self.here)

    def fetch(self, count: int) -> Rows:
        if self._pinned:
            self._host.update_inplace(self.there)
            return self.here[:count].copy()
        # On a CPU this is a view of the buffer.
        return np.array(self.there.numpy()[:count])


def plain_options() -> ort.RunOptions:
    """For `run` beside captured graphs: neither captured nor replayed."""
    options = ort.RunOptions()
    options.add_run_config_entry("gpu_graph_id", _UNCAPTURED)
    return options


def bind(
    session: ort.InferenceSession,
    sizes: Sequence[int],
    plain: Callable[[Rows], Outputs],
    candidates: Sequence[Way],
) -> BoundGraph | None:
    """The first of some ways that runs and gives what the plain one gives; None if none does.

    To be called on the thread that will run it.

    Args:
        session: The graph.
        sizes: Of the buckets.
        plain: Runs rows without buffers.
        candidates: Ways, the preferred first.
    """
    for way in candidates:
        try:
            bound = BoundGraph(session, sizes, way)
            bound.check(plain)
        # Each other way is as right, only slower.
        except Exception as error:  # noqa: BLE001  (drivers and builds differ in what they raise)
            _logger.warning("not run by %s: %s", way, error)
        else:
            return bound
    return None


def _pinned_memory() -> Any:  # noqa: ANN401  (ONNX Runtime's own, which has no public name)
    for device in ort.get_ep_devices():
        if device.ep_name == CUDA:
            found = device.memory_info(ort.OrtDeviceMemoryType.HOST_ACCESSIBLE)
            if found is not None:
                return found
    raise RuntimeError("ONNX Runtime has no pinned memory for CUDA here")


def _check_near(found: Rows, wanted: Rows) -> None:
    if found.shape != wanted.shape:
        raise ValueError(f"it gives {found.shape} where the plain way gives {wanted.shape}")
    away = np.abs(found.astype(np.float64) - wanted).max(initial=0.0)
    limit = (
        _TOLERANCE * max(1.0, float(np.abs(wanted).max(initial=0.0)))
        if wanted.dtype.kind == "f"
        else _GREY_LEVELS
    )
    # A NaN is beyond every limit.
    if not away <= limit:
        raise ValueError(f"it differs from the plain way by {away:g}, the limit is {limit:g}")

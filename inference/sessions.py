"""ONNX Runtime sessions: a graph's bytes become something that can be awaited with a batch.

    ONNX bytes, device → session; batch → a worker thread → session.run → landings

Knows no bundle and no queue. What ONNX Runtime says of a failure stays inside the exception's
cause; clients are told that it failed.

1. A session on CPU computes on its calling thread alone, and none of its threads spins: one
   calling thread per core is faster than several threads per call, and cores may be shared.
2. ``cuda`` is CUDA or an error, never a silent CPU.
3. On CUDA one thread runs both graphs, on buffers that stay (`inference.bound`) where that works.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from itertools import product
from typing import TYPE_CHECKING, Literal

import onnxruntime as ort

from inference import bound
from inference.errors import InferenceFailed
from inference.options import CPU, CUDA
from inference.ride import ride
from inference.ticket import check_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import ThreadPoolExecutor

    from inference.bound import BoundGraph
    from inference.ride import Landing
    from inference.ticket import Batch, Outputs, Rows

_logger = logging.getLogger(__name__)

_ERRORS_ONLY = 3
_CUDA_OPTIONS = {
    # The default tries every algorithm at each new batch size, and may choose another for each.
    "cudnn_conv_algo_search": "HEURISTIC",
    # A bundle states its parity for float32; TF32 has 10 bits of mantissa.
    "use_tf32": "0",
}


class DeviceUnavailable(RuntimeError):  # noqa: N818  (says what is the matter, as its siblings do)
    """The device that was asked for cannot be used; the message says why and what to do."""


class OrtGraph:
    """One ONNX graph with one input, run in a bounded pool of threads.

    Args:
        name: What logs and metrics call it.
        session: The opened session.
        executor: Its threads are the only ones that run the session; graphs may share it.
        express: Runs express batches; without it, these wait as the others do.

    Attributes:
        name: As above.
        providers: ONNX Runtime's execution providers, the one in use first.
        way: How it is run, in words; empty for ONNX Runtime's plain ``run``.
    """

    def __init__(
        self,
        name: str,
        session: ort.InferenceSession,
        executor: ThreadPoolExecutor,
        express: ThreadPoolExecutor | None = None,
    ) -> None:
        """Keep session and threads."""
        self.name = name
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self._session = session
        self._executor = executor
        self._express = express or executor
        self._input: str = session.get_inputs()[0].name
        self._bound: BoundGraph | None = None
        self._options = bound.plain_options() if self.on_gpu else None

    @property
    def on_gpu(self) -> bool:
        """Whether CUDA runs it."""
        return self.providers[0] == CUDA

    @property
    def way(self) -> str:
        """See the class."""
        return "" if self._bound is None else str(self._bound.way)

    async def bind(self, sizes: Sequence[int], ways: Sequence[bound.Way] | None = None) -> None:
        """Run on buffers that stay from now on, by the first way that works here.

        Args:
            sizes: Batch sizes that get buffers; a batch above the largest is run without.
            ways: The preferred first, by default those of CUDA; where none works, nothing changes.
        """
        if ways is None:
            ways = bound.ways(captured=_captures(self._session))
        loop = asyncio.get_running_loop()
        self._bound = await loop.run_in_executor(
            self._executor, bound.bind, self._session, sizes, self._run, ways
        )

    async def __call__(self, batch: Batch) -> list[Landing]:
        """Run one batch on a thread of the pool, with all that its tickets ask for beside it.

        Raises:
            InferenceFailed: The run failed, or an output has not as many rows as the batch.
        """
        loop = asyncio.get_running_loop()
        executor = self._express if batch.express else self._executor
        return await loop.run_in_executor(executor, ride, batch, self._run)

    async def run(self, rows: Rows) -> Outputs:
        """Run rows on a thread of the pool.

        Args:
            rows: [n, …], of the graph's datatype.

        Returns:
            Every output of the graph, [n, …], row i belongs to row i.

        Raises:
            InferenceFailed: The run failed, or an output has not n rows.
        """
        loop = asyncio.get_running_loop()
        outputs = await loop.run_in_executor(self._executor, self._run, rows)
        check_rows(outputs, len(rows))
        return outputs

    def close(self) -> None:
        """Stop the threads once they are idle; a shared pool stops for all of its graphs."""
        self._executor.shutdown()
        self._express.shutdown()

    def _run(self, rows: Rows) -> Outputs:
        try:
            if self._bound is not None and len(rows) <= self._bound.largest:
                return self._bound(rows)
            return tuple(self._session.run(None, {self._input: rows}, self._options))
        # ONNX Runtime's exceptions have no base class of their own.
        except Exception as error:
            raise InferenceFailed(
                f"the {self.name}'s run failed; the cause is in the server's log under this "
                "request's id"
            ) from error


def open_session(
    model: bytes,
    *,
    device: Literal["auto", "cpu", "cuda"],
    half: bool = False,
    cuda_graphs: bool = True,
) -> ort.InferenceSession:
    """Open a graph on a device.

    Args:
        model: The ONNX file's bytes.
        device: ``cuda`` insists on a GPU, ``auto`` takes one where it works, ``cpu`` never.
        half: Whether it computes in float16, whose convolutions CUDA runs faster with the
            channels last.
        cuda_graphs: Whether a GPU may capture it.

    Raises:
        DeviceUnavailable: ``cuda`` was asked for and cannot be used.
    """
    # Only from here on: importing this module must not change how a host program logs.
    ort.set_default_logger_severity(_ERRORS_ONLY)
    session = None
    if device != "cpu" and _lists_cuda():
        session = _open_on_cuda(model, half=half, cuda_graphs=cuda_graphs)
    if device == "cuda" and session is None:
        raise DeviceUnavailable(_why_no_cuda())
    return session or _session(model, [CPU])


def _lists_cuda() -> bool:
    return CUDA in ort.get_available_providers()


def _open_on_cuda(model: bytes, *, half: bool, cuda_graphs: bool) -> ort.InferenceSession | None:
    """A session whose first provider is CUDA, or None: the GPU build lists it on any host."""
    # The pip wheels of CUDA lie where the loader does not look; what is missing is told by print.
    with contextlib.redirect_stdout(io.StringIO()) as said:
        ort.preload_dlls()
    # A graph with a node that CUDA lacks cannot be captured, and is refused by its session; a build
    # may have no kernels with the channels last.
    for nhwc, capture in product(
        (True, False) if half else (False,), (True, False) if cuda_graphs else (False,)
    ):
        options = {
            **_CUDA_OPTIONS,
            "prefer_nhwc": str(int(nhwc)),
            "enable_cuda_graph": str(int(capture)),
        }
        try:
            session = _session(model, [(CUDA, options), CPU])
        # ONNX Runtime's exceptions have no base class of their own; each means that CUDA does not
        # start so.
        except Exception:
            _logger.warning(
                "CUDA did not start with %s: %s", options, said.getvalue(), exc_info=True
            )
        else:
            return session if session.get_providers()[0] == CUDA else None
    return None


def _captures(session: ort.InferenceSession) -> bool:
    """Whether a session was opened for CUDA graphs."""
    options = session.get_provider_options().get(CUDA, {})
    return bool(options.get("enable_cuda_graph") == "1")


def _why_no_cuda() -> str:
    listed = ", ".join(ort.get_available_providers())
    if not _lists_cuda():
        return (
            f"device is cuda, but this onnxruntime has no {CUDA} (it has {listed}): install "
            "latentserve[gpu] in an environment without the cpu extra, or choose device cpu or auto"
        )
    return (
        f"device is cuda, but {CUDA} did not start: check that `nvidia-smi` shows a GPU here and "
        "that its driver suits onnxruntime-gpu, or choose device cpu or auto"
    )


def _session(
    model: bytes, providers: list[str | tuple[str, dict[str, str]]]
) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Its fallback opens a session on CPU in the middle of a run, and says so on stdout only.
    return ort.InferenceSession(model, options, providers=providers, enable_fallback=0)

"""A graph run without the engine, in every way that ONNX Runtime has of moving rows in and out.

    ONNX bytes, precision, device → sessions → ways(batch) → one call each: rows in, outputs out

Buffers that stay, pinned memory and copies go through torch, which has them on CUDA; on a CPU the
same code runs with ordinary memory, so that all of it but the device is exercised there.

1. A way of CUDA graphs has one captured graph for each batch size, with buffers that stay.
2. A session on ``cuda`` that quietly runs elsewhere is an error: what is listed says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
import onnxruntime as ort

from export.float16 import float16_graph
from inference.options import CPU, CUDA

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Rows = NDArray[Any]

Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "tf32", "fp16"]
PAGEABLE = "run(), pageable memory"
RESIDENT = "IOBinding, no copies"
COPIED = "IOBinding, copies"
GRAPHED = "IOBinding, copies, CUDA graph"


class Unavailable(RuntimeError):  # noqa: N818  (says what is the matter)
    """A way of running that this machine does not have; the message says why."""


@dataclass(frozen=True)
class Way:
    """One way of running a batch.

    Attributes:
        name: What tables call it.
        call: Runs the batch once; the first output is given.
    """

    name: str
    call: Callable[[], Rows]


def halved(model: bytes) -> bytes:
    """The graph as `latentserve export --precision float16` makes it."""
    return bytes(float16_graph(onnx.load_from_string(model)).SerializeToString())


def open_raw(
    model: bytes, device: Device, *, tf32: bool = False, cuda_graphs: bool = False
) -> ort.InferenceSession:
    """A session as fast as its options make it, on that device or not at all.

    Raises:
        Unavailable: The device, or CUDA graphs on it, cannot be had.
    """
    if cuda_graphs and device != "cuda":
        raise Unavailable("CUDA graphs need a GPU")
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    cuda_options = {
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": str(int(tf32)),
        "enable_cuda_graph": str(int(cuda_graphs)),
    }
    providers: list[Any] = [(CUDA, cuda_options), CPU] if device == "cuda" else [CPU]
    try:
        session = ort.InferenceSession(model, options, providers=providers, enable_fallback=0)
    # ONNX Runtime's exceptions have no base class of their own.
    except Exception as error:
        raise Unavailable(_first_line(error)) from error
    if device == "cuda" and session.get_providers()[0] != CUDA:
        raise Unavailable(f"{CUDA} did not start; the session runs on {session.get_providers()}")
    return session


def pageable(session: ort.InferenceSession, rows: Rows) -> Way:
    """Numpy in, numpy out: what the engine does on a CPU."""
    name = session.get_inputs()[0].name

    def call() -> Rows:
        output: Rows = session.run(None, {name: rows})[0]
        return output

    return Way(PAGEABLE, call)


def bound(
    session: ort.InferenceSession, rows: Rows, device: Device, *, cuda_graph: int | None = None
) -> tuple[Way, Way]:
    """With buffers that stay: with no copies, and with copies from and to pinned memory.

    Args:
        session: On ``device``; with CUDA graphs if ``cuda_graph`` is a number.
        rows: [N, …] of the graph's datatype.
        device: Where the buffers are.
        cuda_graph: The id of the captured graph, another one for each batch size.

    Returns:
        Without and with copies.

    Raises:
        Unavailable: torch is not installed, or has no such device.
    """
    torch = _torch(device)
    pinned = device == "cuda"

    def buffers(like: Rows) -> tuple[Any, Any]:
        host = torch.from_numpy(np.ascontiguousarray(like))
        return (host.pin_memory() if pinned else host), torch.empty_like(host, device=device)

    outputs = (
        session.run(None, {session.get_inputs()[0].name: rows})
        if cuda_graph is None
        else [
            np.zeros((len(rows), *each.shape[1:]), _datatype(each.type))
            for each in session.get_outputs()
        ]
    )
    host_in, device_in = buffers(rows)
    pairs = [buffers(each) for each in outputs]
    device_in.copy_(host_in)
    binding = session.io_binding()
    _bind(binding.bind_input, session.get_inputs()[0].name, device, rows, device_in)
    for spec, like, (_, there) in zip(session.get_outputs(), outputs, pairs, strict=True):
        _bind(binding.bind_output, spec.name, device, like, there)
    run_options = ort.RunOptions()
    if cuda_graph is not None:
        run_options.add_run_config_entry("gpu_graph_id", str(cuda_graph))

    def resident() -> Rows:
        session.run_with_iobinding(binding, run_options)
        here: Rows = pairs[0][0].numpy()
        return here

    def copied() -> Rows:
        device_in.copy_(host_in)
        if pinned:
            torch.cuda.synchronize()  # torch and ONNX Runtime have streams of their own
        session.run_with_iobinding(binding, run_options)
        for here, there in pairs:
            here.copy_(there)
        first: Rows = pairs[0][0].numpy()
        return first

    return Way(RESIDENT, resident), Way(GRAPHED if cuda_graph is not None else COPIED, copied)


def _bind(bind: Callable[..., None], name: str, device: Device, like: Rows, buffer: Any) -> None:  # noqa: ANN401  (torch's tensor)
    bind(name, device, 0, like.dtype.type, list(like.shape), buffer.data_ptr())


def _datatype(word: str) -> np.dtype[Any]:
    """``tensor(uint8)`` → numpy's."""
    names = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(int64)": "int64"}
    return np.dtype(names[word])


def _torch(device: Device) -> Any:  # noqa: ANN401  (the module)
    try:
        import torch  # noqa: PLC0415  (serving has none)
    except ImportError:
        raise Unavailable("torch is not installed, which holds the buffers here") from None
    if device == "cuda" and not torch.cuda.is_available():
        raise Unavailable("torch has no CUDA here, which holds the buffers")
    return torch


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]

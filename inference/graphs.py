"""The two graphs of a bundle, each behind one micro-batcher: the only two batching points.

    images uint8 [N, H, W, C] → encoder's batcher → mean, logvar | None, float32 [N, L]
    latents float32 [N, L] → decoder's batcher → images uint8 [N, H, W, C]

Knows the bundle's tensors; knows no attribute, no prior and no request's parameters.

1. Both graphs share one pool of threads: together they run no more threads than there are cores.
2. On a CPU what belongs to rows, making and using them, is done on the graph's own thread, since
   every thread computes. A GPU must not wait for that: there codecs' threads do it, before and
   after.
3. `warm_up` believes no manifest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from bundle.store import BundleError
from inference.batching import BatchLimits, BatchRecord, MicroBatcher
from inference.codec import all_or_none
from inference.options import CUDA
from inference.results import Encoded
from inference.ride import Finish, LazyRows
from inference.sessions import DeviceUnavailable, OrtGraph, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import onnxruntime as ort
    from numpy.typing import NDArray

    from bundle.manifest import GraphSpec
    from bundle.store import Bundle
    from inference.call import Call
    from inference.codec import CodecPool
    from inference.options import EngineOptions
    from inference.results import Then
    from inference.ticket import Outputs

    Pixels = NDArray[np.uint8]
    Float32 = NDArray[np.float32]

NICE, _NICEST = 5, 19
GraphName = Literal["encoder", "decoder"]
_DATATYPES: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype(np.uint8),
    "FP32": np.dtype(np.float32),
    "INT64": np.dtype(np.int64),
}


class Graphs:
    """Encoder and decoder with their batchers.

    Attributes:
        sessions: By name, ``encoder`` and ``decoder``.
        providers: ONNX Runtime's execution providers, the one in use first.
    """

    def __init__(
        self,
        bundle: Bundle,
        options: EngineOptions,
        codecs: CodecPool,
        *,
        observe: Callable[[BatchRecord], None],
    ) -> None:
        """Open both sessions; no event loop needs to run yet.

        Raises:
            DeviceUnavailable: ``device`` is ``cuda`` and there is none that works.
            BundleError: A graph's file is no model that ONNX Runtime can open.
        """
        self._bundle = bundle
        self._options = options
        self._codecs = codecs
        threads = options.thread_count
        opened = {
            name: _open(bundle, name, model, options)
            for name, model in (("encoder", bundle.encoder), ("decoder", bundle.decoder))
        }
        self._on_gpu = opened["encoder"].get_providers()[0] == CUDA
        # A GPU is launched from one thread, which must come first; on a CPU every thread computes.
        pool = (
            ThreadPoolExecutor(1, thread_name_prefix="gpu")
            if self._on_gpu
            else ThreadPoolExecutor(
                threads, thread_name_prefix="graph", initializer=_let_others_go_first
            )
        )
        express = ThreadPoolExecutor(1, thread_name_prefix="express")
        self.sessions = {
            name: OrtGraph(name, session, pool, express) for name, session in opened.items()
        }
        self.providers = self.sessions["encoder"].providers
        # A GPU runs one batch at a time: a second is ready when it ends, more would keep batches
        # small. A CPU is fastest with one calling thread per core, and one batch more than
        # threads, so that none waits for the event loop.
        slots = 2 if self._on_gpu else threads + 1
        limits = BatchLimits(
            max_batch_size=options.max_batch_size,
            max_queue_size=options.max_queue_size,
            max_queue_delay_ms=options.max_queue_delay_ms,
            # A CPU gains next to nothing by large batches, and loses by threads without work.
            spread_over=1 if self._on_gpu else threads,
        )
        self._batchers = {
            name: MicroBatcher(
                graph,
                limits=limits,
                slots=slots,
                # On a GPU it would wait behind the others all the same.
                express=not self._on_gpu,
                observe=observe,
            )
            for name, graph in self.sessions.items()
        }
        outputs = [tensor.name for tensor in bundle.manifest.graphs.encoder.outputs]
        self._logvar = outputs.index("logvar") if "logvar" in outputs else None

    @property
    def way(self) -> str:
        """How the decoder is run, in words; empty for ONNX Runtime's plain ``run``."""
        return self.sessions["decoder"].way

    @property
    def queues(self) -> dict[str, Callable[[], float]]:
        """By graph, how many items wait for it now."""
        return {
            # The default binds this batcher, not the last one; mypy cannot infer such a lambda.
            name: lambda batcher=batcher: float(batcher.queued_items)  # type: ignore[misc]
            for name, batcher in self._batchers.items()
        }

    async def warm_up(self, sizes: Sequence[int]) -> None:
        """Run both graphs at each of these batch sizes.

        Raises:
            BundleError: A graph's output is not what the manifest says.
            InferenceFailed: A graph does not run.
        """
        graphs = self._bundle.manifest.graphs
        if self._on_gpu:
            for graph in self.sessions.values():
                await graph.bind(self._options.warm_up_sizes)
        for size in sizes:
            # Side by side where there are threads for it: nobody is answered before this is done.
            await asyncio.gather(
                self._try("encoder", graphs.encoder, size),
                self._try("decoder", graphs.decoder, size),
            )

    async def encode(
        self, pixels: Pixels | LazyRows, call: Call, then: Then[Encoded] = None
    ) -> Encoded:
        """Mean and log-variance of images; a plain autoencoder has no log-variance.

        Args:
            pixels: uint8 [N, H, W, C].
            call: Whose request it is.
            then: Called once with the result, off the event loop.
        """

        def named(outputs: Outputs) -> Encoded:
            return Encoded(outputs[0], None if self._logvar is None else outputs[self._logvar])

        finish = None if then is None else (lambda outputs: then(named(outputs)))
        return named(await self._run("encoder", pixels, call, finish))

    async def decode(self, latents: Float32, call: Call, then: Then[Pixels] = None) -> Pixels:
        """Images of latents; ``then`` as in `encode`."""
        finish = None if then is None else (lambda outputs: then(outputs[0]))
        (images,) = await self._run("decoder", latents, call, finish)
        return images

    async def means_of(self, rows: Pixels | LazyRows | Float32, call: Call) -> Float32:
        """The means of images, and of latents these themselves."""
        if isinstance(rows, LazyRows) or rows.dtype == np.uint8:
            return (await self.encode(cast("Pixels | LazyRows", rows), call)).mean
        return cast("Float32", rows)

    async def means(self, groups: Sequence[Pixels | Float32], call: Call) -> list[Float32]:
        """As `means_of` for each group; the images of all groups are submitted together."""
        images = [group for group in groups if group.dtype == np.uint8]
        if images:
            together = cast("Pixels", np.concatenate(images))
            mean = await self.means_of(together, call)
            edges = np.cumsum([len(group) for group in images])[:-1]
            parts = iter(np.split(mean, edges))
        return [
            next(parts) if group.dtype == np.uint8 else cast("Float32", group) for group in groups
        ]

    async def decode_both(
        self, before: Float32, after: Float32, call: Call
    ) -> tuple[Pixels, Pixels]:
        """Two tables of N latents decoded, in shared batches; equal rows give equal images."""
        count = len(before)
        if 2 * count > self._options.max_queue_size:  # the queue could never hold them together
            first, second = await self.decode(before, call), await self.decode(after, call)
        else:
            images = await self.decode(np.concatenate([before, after]), call)
            first, second = images[:count], images[count:]
        # A GPU may round a row by its place in the batch.
        changed = (before != after).any(axis=1)
        return first, np.where(changed[:, None, None, None], second, first)

    def check_room(self, name: GraphName, call: Call) -> None:
        """Refuse a request whose first item the graph could not queue now.

        Raises:
            QueueFull: There is no room.
        """
        self._batchers[name].check_room(call)

    async def drain(self) -> None:
        """Take nothing new and finish what was submitted."""
        for batcher in self._batchers.values():
            await batcher.aclose()

    def close(self) -> None:
        """Stop the threads."""
        for graph in self.sessions.values():
            graph.close()

    async def _run(
        self, name: str, rows: Pixels | LazyRows | Float32, call: Call, then: Then[Outputs]
    ) -> Outputs:
        finish = None if then is None or self._on_gpu else Finish(then)
        if isinstance(rows, LazyRows) and self._on_gpu:
            self._codecs.check_room(call, len(rows))
            made = await all_or_none(self._codecs.run(call, make) for make in rows.makers)
            rows = np.stack(made)
        outputs = await self._batchers[name].submit(rows, call, finish)
        if finish is not None and finish.done:
            call.encode_s += finish.seconds
            error, finish.error = finish.error, None
            if error is not None:
                try:
                    raise error
                finally:
                    del error  # as in `MicroBatcher.submit`
        elif then is not None:
            await self._codecs.run(call, then, outputs)
        return outputs

    async def _try(self, name: str, spec: GraphSpec, size: int) -> None:
        tensor = spec.inputs[0]
        rows = np.zeros((size, *tensor.shape[1:]), _DATATYPES[tensor.datatype])
        outputs = await self.sessions[name].run(rows)
        found = [(str(output.dtype), output.shape) for output in outputs]
        wanted = [(_DATATYPES[out.datatype].name, (size, *out.shape[1:])) for out in spec.outputs]
        if found != wanted:
            raise BundleError(
                f"the {name} of {self._bundle.path} answers {found} to a batch of {size}, "
                f"but its manifest says {wanted}; export the bundle again"
            )


def _let_others_go_first() -> None:
    """Lower this thread's priority, where threads have one of their own.

    It computes for milliseconds on end; the event loop, and an express batch, need a core for less
    and must not wait for that.
    """
    if sys.platform == "linux":
        # A sandbox may forbid it, and then they wait.
        with contextlib.suppress(OSError):
            niceness = min(os.getpriority(os.PRIO_PROCESS, 0) + NICE, _NICEST)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


def _open(bundle: Bundle, name: str, model: bytes, options: EngineOptions) -> ort.InferenceSession:
    spec: GraphSpec = getattr(bundle.manifest.graphs, name)
    try:
        return open_session(
            model,
            device=options.device,
            half=spec.precision == "float16",
            cuda_graphs=options.cuda_graphs,
        )
    except DeviceUnavailable:
        raise
    # ONNX Runtime's exceptions have no base class of their own.
    except Exception as error:
        raise BundleError(
            f"{bundle.path / spec.file} cannot be opened by ONNX Runtime ({error}); export the "
            "bundle again"
        ) from error

"""The engine: what a bundle can do, as five coroutines on arrays.

    images uint8 [N, H, W, C] → encoder's batcher → mean, logvar [N, L]
    latents [N, L] → z + Σ strength · direction → decoder's batcher → images uint8 [N, H, W, C]

Knows no HTTP, no gRPC and no compressed image.

1. There are two batching points, one per graph; every operation on a graph shares its batches.
2. Seeds, strengths and temperatures are used up before a batch: an answer does not depend on
   the company that its rows kept.
3. Nothing runs before `warm_up`, and nothing is left running after `aclose`.
"""

from __future__ import annotations

import reprlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, get_args

import numpy as np

from bundle.prior import Prior
from bundle.store import BundleError
from inference.admission import Admission
from inference.arrays import check_images, check_latents
from inference.batching import BatchLimits, BatchRecord, MicroBatcher
from inference.codec import CodecPool
from inference.errors import InvalidRequest
from inference.latents import check_strengths, shifted, strength_row
from inference.noise import draw, resolve_seed
from inference.options import EngineOptions
from inference.results import Encoded, Images, Sampled
from inference.sessions import CUDA, DeviceUnavailable, OrtGraph, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from bundle.store import Bundle
    from inference.call import Call

    Pixels = NDArray[np.uint8]
    Float32 = NDArray[np.float32]
    Strengths = Mapping[str, float] | NDArray[np.floating[Any]]

__all__ = ["Encoded", "Engine", "EngineOptions", "Images", "Sampled"]

P = ParamSpec("P")
T = TypeVar("T")
PriorName = Literal["fitted", "normal"]
MAX_TEMPERATURE = 2.0
_DRAWN_AT_ONCE = 8
_DATATYPES: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype(np.uint8),
    "FP32": np.dtype(np.float32),
    "INT64": np.dtype(np.int64),
}


def _ignore(_: BatchRecord) -> None:
    """The observer of an engine that nobody watches."""


class Engine:
    """One opened bundle with its sessions, batchers, codec threads and admission.

    Attributes:
        bundle: What is served.
        options: Limits and device.
        providers: ONNX Runtime's execution providers, the one in use first.
        admission: Readiness, drain and the number of items in flight.
    """

    def __init__(
        self,
        bundle: Bundle,
        options: EngineOptions,
        *,
        observe: Callable[[BatchRecord], None] = _ignore,
    ) -> None:
        """Open both sessions; no event loop needs to run yet.

        Args:
            bundle: What to serve.
            options: Limits and device.
            observe: Told of every batch, on the event loop; must return at once.

        Raises:
            DeviceUnavailable: ``device`` is ``cuda`` and there is none that works.
            BundleError: A graph's file is no model that ONNX Runtime can open.
        """
        self.bundle = bundle
        self.options = options
        self.admission = Admission(max_items=options.max_items)
        threads = options.thread_count
        # One pool for both graphs: together they must not run more threads than there are cores.
        pool = ThreadPoolExecutor(threads, thread_name_prefix="graph")
        self._graphs = {
            name: _open_graph(bundle, name, model, options, pool)
            for name, model in (("encoder", bundle.encoder), ("decoder", bundle.decoder))
        }
        self.providers = self._graphs["encoder"].providers
        limits = BatchLimits(
            max_batch_size=options.max_batch_size,
            max_queue_size=options.max_queue_size,
            max_queue_delay_ms=options.max_queue_delay_ms,
        )
        self._codecs = CodecPool(threads, max_waiting=options.max_queue_size)
        # A GPU runs one batch at a time: a second slot only hides the copies, more would keep
        # batches small. A CPU is fastest with one calling thread per core.
        slots = min(threads, 2) if self.providers[0] == CUDA else threads
        self._batchers = {
            name: MicroBatcher(graph, limits=limits, slots=slots, observe=observe)
            for name, graph in self._graphs.items()
        }
        self._names = tuple(attribute.name for attribute in bundle.manifest.attributes)
        dimension = bundle.manifest.latent.dimension
        self._priors = {"fitted": bundle.prior, "normal": Prior.standard_normal(dimension)}

    @property
    def queues(self) -> dict[str, Callable[[], float]]:
        """By graph, how many items wait for it now."""
        return {
            # The default binds this batcher, not the last one; mypy cannot infer such a lambda.
            name: lambda batcher=batcher: float(batcher.queued_items)  # type: ignore[misc]
            for name, batcher in self._batchers.items()
        }

    async def warm_up(self) -> None:
        """Run both graphs at every batch size that serving starts from, then become ready.

        Raises:
            BundleError: A graph's output is not what the manifest says.
            InferenceFailed: A graph does not run.
        """
        manifest = self.bundle.manifest
        for size in self.options.warm_up_sizes:
            for name, spec in (
                ("encoder", manifest.graphs.encoder),
                ("decoder", manifest.graphs.decoder),
            ):
                tensor = spec.inputs[0]
                datatype = _DATATYPES[tensor.datatype]
                outputs = await self._graphs[name](np.zeros((size, *tensor.shape[1:]), datatype))
                found = [(str(output.dtype), output.shape) for output in outputs]
                wanted = [
                    (_DATATYPES[out.datatype].name, (size, *out.shape[1:])) for out in spec.outputs
                ]
                if found != wanted:
                    raise BundleError(
                        f"the {name} of {self.bundle.path} answers {found} to a batch of {size}, "
                        f"but its manifest says {wanted}; export the bundle again"
                    )
        self.admission.become_ready()

    async def encode(self, images: Pixels, call: Call) -> Encoded:
        """The encoder's mean and log-variance of images.

        Args:
            images: uint8 [N, H, W, C] of the model's own size (`inference.images` makes it so).
            call: Whose request it is; measurements are added to it.

        Raises:
            ShapeMismatch: Another shape or datatype.
        """
        pixels = check_images(images, self.bundle.manifest.image)
        with self.admission.admit(call, len(pixels)):
            return await self._encode(pixels, call)

    async def decode(self, latents: Float32, call: Call) -> Pixels:
        """Latents float32 [N, L] → images uint8 [N, H, W, C].

        Raises:
            ShapeMismatch: Another shape or datatype.
            InvalidRequest: A value is not finite.
        """
        checked = self._latents(latents)
        with self.admission.admit(call, len(checked)):
            return await self._decode(checked, call)

    async def reconstruct(self, images: Pixels, call: Call) -> Images:
        """Images uint8 [N, H, W, C] → their means, decoded.

        Raises:
            ShapeMismatch: Another shape or datatype.
        """
        return await self.shift(call, images=images, strengths={})

    async def shift(
        self,
        call: Call,
        *,
        images: Pixels | None = None,
        latents: Float32 | None = None,
        strengths: Strengths,
    ) -> Images:
        """Move images, or latents, along attributes.

        Args:
            call: As in `encode`.
            images: uint8 [N, H, W, C]; their means are moved, never a draw.
            latents: float32 [N, L], in the place of images.
            strengths: By attribute's name, or float32 [A] or [N, A] in the manifest's order.

        Raises:
            InvalidRequest: Both or neither of images and latents; a strength beyond ±10.
            UnknownAttribute: The bundle has no attribute of that name.
            ShapeMismatch: Another shape or datatype.
        """
        if (images is None) == (latents is None):
            raise InvalidRequest("shift takes images or latents; send exactly one of them")
        if images is not None:
            pixels = check_images(images, self.bundle.manifest.image)
            table = self._strengths(strengths, len(pixels))
            with self.admission.admit(call, len(pixels)):
                mean = (await self._encode(pixels, call)).mean
                return await self._shift(mean, table, call)
        rows = self._latents(latents)
        table = self._strengths(strengths, len(rows))
        with self.admission.admit(call, len(rows)):
            return await self._shift(rows, table, call)

    async def sample(
        self,
        n: int,
        call: Call,
        *,
        seed: int | None = None,
        temperature: float = 1.0,
        prior: PriorName = "fitted",
        strengths: Strengths | None = None,
    ) -> Sampled:
        """Draw images from a prior.

        Args:
            n: How many; the first ones are those of a smaller n.
            call: As in `encode`.
            seed: 0 to 2**63 - 1; drawn if None.
            temperature: 0 to 2, scales the spread about the prior's means; 0 gives the means.
            prior: ``fitted`` to the training images' means, or ``normal``, N(0, I).
            strengths: As in `shift`; nothing is moved if None.

        Raises:
            InvalidRequest: A parameter is outside its range.
            TooManyItems: ``n`` is beyond ``max_items``.
            UnknownAttribute: As in `shift`.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise InvalidRequest(f"n is {n!r}, but must be an integer from 1")
        if not 0 <= temperature <= MAX_TEMPERATURE:  # NaN fails too
            raise InvalidRequest(
                f"temperature is {reprlib.repr(temperature)}, but must lie from 0 (the prior's "
                f"means) to {MAX_TEMPERATURE:g}; 1 is the prior itself"
            )
        if prior not in get_args(PriorName):
            raise InvalidRequest(f"prior is {prior!r}; choose fitted or normal")
        used = resolve_seed(seed)
        with self.admission.admit(call, n):
            table = self._strengths(strengths if strengths is not None else {}, n)
            # A few rows cost less than the way to a thread and back.
            if n <= _DRAWN_AT_ONCE:
                drawn = self._draw(used, n, prior, temperature)
            else:
                drawn = await self.codec(call, self._draw, used, n, prior, temperature)
            moved = await self._shift(drawn, table, call)
            return Sampled(moved.images, moved.latents, used)

    async def codec(
        self, call: Call, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an image codec off the event loop; its seconds are added to ``call.codec_s``."""
        return await self._codecs.run(call, function, *args, **kwargs)

    def check_codec_room(self, functions: int = 1) -> None:
        """Refuse a request that would bring ``functions`` codecs while too many wait.

        Raises:
            QueueFull: More than ``max_queue_size`` would wait.
        """
        self._codecs.check_room(functions)

    async def aclose(self) -> None:
        """Take nothing new, finish what was admitted, stop every thread."""
        self.admission.drain()
        await self.admission.drained()
        for batcher in self._batchers.values():
            await batcher.aclose()
        await self._codecs.aclose()
        for graph in self._graphs.values():
            graph.close()

    def _draw(self, seed: int, n: int, prior: PriorName, temperature: float) -> Float32:
        uniform, normal = draw(seed, n, self.bundle.manifest.latent.dimension)
        return self._priors[prior].sample(uniform, normal, temperature)

    async def _encode(self, pixels: Pixels, call: Call) -> Encoded:
        mean, logvar = await self._batchers["encoder"].submit(pixels, call)
        return Encoded(mean, logvar)

    async def _decode(self, latents: Float32, call: Call) -> Pixels:
        (images,) = await self._batchers["decoder"].submit(latents, call)
        return images

    async def _shift(self, latents: Float32, strengths: Float32, call: Call) -> Images:
        moved = shifted(latents, strengths, self.bundle.directions)
        return Images(await self._decode(moved, call), moved)

    def _latents(self, latents: object) -> Float32:
        return check_latents(np.asarray(latents), self.bundle.manifest.latent.dimension)

    def _strengths(self, strengths: Strengths, rows: int) -> Float32:
        if isinstance(strengths, np.ndarray):
            return check_strengths(strengths, len(self._names), rows)
        return strength_row(strengths, self._names)


def _open_graph(
    bundle: Bundle, name: str, model: bytes, options: EngineOptions, pool: ThreadPoolExecutor
) -> OrtGraph:
    try:
        return open_session(
            model, name=name, device=options.device, threads=options.thread_count, executor=pool
        )
    except DeviceUnavailable:
        raise
    # ONNX Runtime's exceptions have no base class of their own.
    except Exception as error:
        file = bundle.path / getattr(bundle.manifest.graphs, name).file
        raise BundleError(
            f"{file} cannot be opened by ONNX Runtime ({error}); export the bundle again"
        ) from error

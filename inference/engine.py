"""The engine: what a bundle can do, as coroutines on arrays.

    images uint8 [N, H, W, C] → encoder's batcher → mean, logvar [N, L]
    latents [N, L] → z + Σ strength · direction → decoder's batcher → images uint8 [N, H, W, C]

Knows no HTTP, no gRPC and no compressed image.

1. There are two batching points, one per graph; every operation on a graph shares its batches.
2. Seeds, strengths and temperatures are used up before a batch: an answer does not depend on
   the company that its rows kept.
3. Nothing runs before `warm_up`, and nothing is left running after `aclose`.
4. Where images become latents on the way to other images, it is by their means, never by a draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np

from bundle.geometry import placement
from inference.admission import Admission
from inference.arithmetic import combine
from inference.checks import Checks
from inference.codec import CodecPool, all_or_none
from inference.detail import overlay
from inference.errors import InvalidRequest
from inference.graphs import Graphs
from inference.images import fit
from inference.interpolation import between, check_way
from inference.latents import shifted
from inference.noise import resolve_seed
from inference.options import EngineOptions
from inference.results import Encoded, Images, Pictures, Sampled
from inference.sampling import Priors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bundle.store import Bundle
    from inference.batching import BatchRecord
    from inference.call import Call
    from inference.checks import Strengths
    from inference.graphs import GraphName
    from inference.interpolation import PathName
    from inference.results import Then
    from inference.ride import LazyRows
    from inference.sampling import PriorName

    Pixels = NDArray[np.uint8]
    Float32 = NDArray[np.float32]

__all__ = ["Encoded", "Engine", "EngineOptions", "Images", "Pictures", "Sampled"]

P = ParamSpec("P")
T = TypeVar("T")
_DRAWN_AT_ONCE = 8


def _ignore(_: BatchRecord) -> None:
    """The observer of an engine that nobody watches."""


class Engine:
    """One opened bundle with its sessions, batchers, codec threads and admission.

    Attributes:
        bundle: What is served.
        options: Limits and device.
        providers: ONNX Runtime's execution providers, the one in use first.
        way: How the graphs are run, in words, once they are warm; empty for the plain way.
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
        self._codecs = CodecPool(options.thread_count, max_waiting=options.max_queue_size)
        self._graphs = Graphs(bundle, options, self._codecs, observe=observe)
        self._checks = Checks(bundle.manifest)
        self._priors = Priors(bundle)
        self.providers = self._graphs.providers
        self.way = ""

    @property
    def queues(self) -> dict[str, Callable[[], float]]:
        """By graph, how many items wait for it now."""
        return self._graphs.queues

    @property
    def codec_jobs(self) -> int:
        """Images that are decoded or encoded now, or wait for it."""
        return self._codecs.waiting

    async def warm_up(self, sizes: Sequence[int] | None = None) -> None:
        """Run both graphs at some batch sizes, by default those of the options; become ready.

        Raises:
            BundleError: A graph's output is not what the manifest says.
            InferenceFailed: A graph does not run.
        """
        await self._graphs.warm_up(sizes or self.options.warm_up_sizes)
        self.way = self._graphs.way
        self.admission.become_ready()

    async def encode(
        self, images: Pixels | LazyRows, call: Call, then: Then[Encoded] = None
    ) -> Encoded:
        """The encoder's mean and log-variance of images.

        Args:
            images: uint8 [N, H, W, C] of the model's own size, or what gives such rows.
            call: Whose request it is; measurements are added to it.
            then: Called once with the result, off the event loop: on the thread where the graph
                ran, so it should take no longer than the graph.

        Raises:
            ShapeMismatch: Another shape or datatype.
            Exception: What making the rows, or ``then``, raised.
        """
        pixels = self._checks.images(images)
        with self.admission.admit(call, len(pixels)):
            return await self._graphs.encode(pixels, call, then)

    async def decode(self, latents: Float32, call: Call, then: Then[Pixels] = None) -> Pixels:
        """Latents float32 [N, L] → images uint8 [N, H, W, C]; ``then`` as in `encode`.

        Raises:
            ShapeMismatch: Another shape or datatype.
            InvalidRequest: A value is not finite.
        """
        checked = self._checks.latents(latents)
        with self.admission.admit(call, len(checked)):
            return await self._graphs.decode(checked, call, then)

    async def reconstruct(
        self, images: Pixels | LazyRows, call: Call, then: Then[Images] = None
    ) -> Images:
        """Images uint8 [N, H, W, C] → their means, decoded; ``then`` as in `encode`.

        Raises:
            ShapeMismatch: Another shape or datatype.
        """
        return await self.shift(call, images=images, strengths={}, then=then)

    async def shift(
        self,
        call: Call,
        *,
        images: Pixels | LazyRows | None = None,
        latents: Float32 | None = None,
        strengths: Strengths,
        then: Then[Images] = None,
    ) -> Images:
        """Move images, or latents, along attributes.

        Args:
            call: As in `encode`.
            images: uint8 [N, H, W, C].
            latents: float32 [N, L], in the place of images.
            strengths: By attribute's name, or float32 [A] or [N, A] in the manifest's order.
            then: As in `encode`.

        Raises:
            InvalidRequest: Both or neither of images and latents; a strength beyond ±10.
            UnknownAttribute: The bundle has no attribute of that name.
            ShapeMismatch: Another shape or datatype.
        """
        rows = self._checks.either("shift", images, latents)
        table = self._checks.strengths(strengths, len(rows))
        with self.admission.admit(call, len(rows)):
            moved = self._moved(await self._graphs.means_of(rows, call), table)
            finish = None if then is None else (lambda pixels: then(Images(pixels, moved)))
            return Images(await self._graphs.decode(moved, call, finish), moved)

    async def detail(
        self, call: Call, *, pictures: Sequence[Pixels], strengths: Strengths
    ) -> Pictures:
        """Add what a shift changes, D(z + v) - D(z), to pictures of any size.

        Args:
            call: As in `encode`.
            pictures: uint8 [h, w, c] each; c is 1 (grey), 2 (grey, alpha), 3 (RGB), 4 (RGBA).
            strengths: As in `shift`.

        Returns:
            The pictures at their own size; `inference.detail` says what of them is changed.

        Raises:
            ServingError: As in `shift`.
        """
        given = self._checks.pictures(pictures)
        table = self._checks.strengths(strengths, len(given))
        spec = self.bundle.manifest.image
        with self.admission.admit(call, len(given)):
            fitted = await all_or_none(self.codec(call, fit, each, spec) for each in given)
            (mean,) = await self._graphs.means([np.stack(fitted)], call)
            moved = self._moved(mean, table)
            before, after = await self._graphs.decode_both(mean, moved, call)
            places = [placement(each.shape[1], each.shape[0], spec) for each in given]
            jobs = [
                self.codec(call, overlay, *each)
                for each in zip(given, before, after, places, strict=True)
            ]
            return Pictures(tuple(await all_or_none(jobs)), moved)

    async def interpolate(
        self,
        call: Call,
        *,
        images: Pixels | LazyRows | None = None,
        latents: Float32 | None = None,
        steps: int,
        path: PathName = "linear",
    ) -> Images:
        """Go from one image, or latent, to another.

        Args:
            call: As in `encode`.
            images: uint8 [2, H, W, C].
            latents: float32 [2, L], in the place of images.
            steps: How many images to give, both ends included; at least 2.
            path: ``linear`` or ``spherical``, see `inference.interpolation`.

        Raises:
            InvalidRequest: Not exactly two images or two latents; unknown path; too few steps.
            TooManyItems: ``steps`` is beyond ``max_items``.
        """
        check_way(steps, path)
        ends = self._checks.either("interpolate", images, latents)
        if len(ends) != 2:  # noqa: PLR2004 - from one to the other
            raise InvalidRequest(
                f"interpolate takes two images or two latents, and got {len(ends)}; send two"
            )
        with self.admission.admit(call, steps):
            points = between(await self._graphs.means_of(ends, call), steps, path)
            return Images(await self._graphs.decode(points, call), points)

    async def arithmetic(
        self,
        call: Call,
        *,
        add: Sequence[Pixels | Float32],
        subtract: Sequence[Pixels | Float32] = (),
    ) -> Images:
        """Add and subtract the means of groups, and decode what it comes to.

        Args:
            call: As in `encode`.
            add: At least one group, each of images uint8 [K, H, W, C] or latents float32 [K, L].
            subtract: The same, or none.

        Returns:
            One image and its latent.

        Raises:
            InvalidRequest: There is nothing to add, or a group is empty.
            TooManyItems: All groups together hold more than ``max_items``.
        """
        if not len(add):
            raise InvalidRequest("add holds no group; send at least one group of images or latents")
        groups = [self._checks.group(group) for group in (*add, *subtract)]
        with self.admission.admit(call, sum(map(len, groups))):
            means = await self._graphs.means(groups, call)
            total = combine(means[: len(add)], means[len(add) :])
            return Images(await self._graphs.decode(total, call), total)

    async def sample(
        self,
        n: int,
        call: Call,
        *,
        seed: int | None = None,
        temperature: float = 1.0,
        prior: PriorName = "fitted",
        strengths: Strengths | None = None,
        then: Then[Sampled] = None,
    ) -> Sampled:
        """Draw images from a prior.

        Args:
            n: How many; the first ones are those of a smaller n.
            call: As in `encode`.
            seed: 0 to 2**63 - 1; drawn if None.
            temperature: 0 to 2, scales the spread about the prior's means; 0 gives the means.
            prior: ``fitted`` to the training images' means, or ``normal``, N(0, I).
            strengths: As in `shift`; nothing is moved if None.
            then: As in `encode`.

        Raises:
            InvalidRequest: A parameter is outside its range, or the model has no such prior.
            TooManyItems: ``n`` is beyond ``max_items``.
        """
        self._priors.check(n, temperature, prior)
        used = resolve_seed(seed)
        with self.admission.admit(call, n):
            table = self._checks.strengths(strengths if strengths is not None else {}, n)
            # A few rows cost less than the way to a thread and back.
            if n <= _DRAWN_AT_ONCE:
                drawn = self._priors.draw(used, n, temperature, prior)
            else:
                drawn = await self.codec(call, self._priors.draw, used, n, temperature, prior)
            moved = self._moved(drawn, table)
            finish = None if then is None else (lambda pixels: then(Sampled(pixels, moved, used)))
            return Sampled(await self._graphs.decode(moved, call, finish), moved, used)

    def check_queue_room(self, graph: GraphName, call: Call) -> None:
        """Raise `QueueFull` while ``graph`` could queue nothing for ``call``."""
        self._graphs.check_room(graph, call)

    async def codec(
        self, call: Call, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an image codec off the event loop; its seconds are added to ``call``."""
        return await self._codecs.run(call, function, *args, **kwargs)

    def check_codec_room(self, call: Call, functions: int = 1) -> None:
        """Raise `QueueFull` while ``functions`` more codecs of ``call`` would be too many."""
        self._codecs.check_room(call, functions)

    async def aclose(self) -> None:
        """Take nothing new, finish what was admitted, stop every thread."""
        self.admission.drain()
        await self.admission.drained()
        await self._graphs.drain()
        await self._codecs.aclose()
        self._graphs.close()

    def _moved(self, latents: Float32, strengths: Float32) -> Float32:
        return shifted(latents, strengths, self.bundle.directions)

"""The BentoML service: the worker's life, and four typed endpoints for BentoML's own clients.

``bentoml.SyncHTTPClient`` → encode, decode, sample, shift with numpy arrays → the same engine

The HTTP routes under /v1 are the data plane (`service.app`); these endpoints are a thin second
door to it. No parameter is a path or an image type: for those BentoML would fetch what a caller
names.
"""
# BentoML evaluates the annotations, so this module has no `from __future__ import annotations`.

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal, Optional, TypeVar, cast

import bentoml
import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from inference.call import Call
from inference.errors import InvalidRequest
from service.announcement import announce
from service.envelope import failure
from service.grpc_server import GrpcServer
from service.guest import VISIT
from service.hosting import FrontedService, end_server, share_connections, this_runtime
from service.loading import check_count, load_images, load_latents
from service.pages import check_ready
from service.parameters import SampleParameters, check
from service.process import settle
from service.runtime import Runtime
from service.settings import Settings
from service.tls import http_tls

T = TypeVar("T")
Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]
GREY_LEVELS = 255
_SETTINGS = Settings()
logger = logging.getLogger("latentserve")
share_connections(_SETTINGS.workers)


class Encoding(bentoml.IODescriptor):
    """mean and logvar, float32 [N, L]."""

    mean: NDArray[np.float32]
    logvar: NDArray[np.float32]


@bentoml.service(
    name="latentserve",
    service_class=FrontedService,
    workers=_SETTINGS.workers,
    http={"host": _SETTINGS.host, "port": _SETTINGS.port},
    ssl=http_tls(_SETTINGS),
    # Our own deadline comes first; BentoML's must only never cut in.
    traffic={"timeout": 2 * _SETTINGS.deadline_ms / 1000 + 60},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class LatentService:
    """The latent space of a variational autoencoder: encode, decode, sample, shift."""

    def __init__(self) -> None:
        """Open the bundle and the engine in this worker."""
        self.runtime = this_runtime()
        self.runtime.open()
        self.grpc = GrpcServer(self.runtime)

    @bentoml.on_startup
    async def warm_up(self) -> None:
        """Begin the warm-up, which readiness follows, and open gRPC.

        One of several workers opens its ports once it is warm: until then the others answer
        whoever comes, and nobody who was told that the server is ready meets one that is not.
        """
        self.runtime.drain_at_signal()
        self.runtime.start()
        if self.runtime.settings.workers > 1:
            await self.runtime.ready()
        await self.grpc.start()
        self._announcing = asyncio.create_task(self._announce(), name="announce")
        settle()

    async def _announce(self) -> None:
        """Say that the server is ready, once both its ports are open and it is."""
        await self.runtime.ready()
        if self.runtime.state == "ready":
            try:
                announce(self.runtime.engine)
            except OSError:
                logger.critical(
                    "nobody can be told that the server is ready, so it ends", exc_info=True
                )
                end_server()

    @bentoml.on_shutdown
    async def close(self) -> None:
        """Close gRPC, wait for what runs, and close the sessions."""
        await self.grpc.stop()
        await self.runtime.aclose()

    @bentoml.api
    async def encode(self, images: Array, ctx: bentoml.Context) -> Encoding:
        """Images, grey levels 0 to 255, [N, H, W, C] or [H, W, C] → mean and logvar [N, L]."""

        async def run(call: Call) -> Encoding:
            levels = await self.runtime.engine.codec(call, _pixels, images)
            pixels = await load_images(self.runtime, levels, call)
            encoded = await self.runtime.engine.encode(pixels, call)
            return Encoding(mean=encoded.mean, logvar=encoded.logvar)

        return await _answer(self.runtime, ctx, run)

    @bentoml.api
    async def decode(self, latents: Array, ctx: bentoml.Context) -> Pixels:
        """Latents [N, L] → images uint8 [N, H, W, C]."""

        async def run(call: Call) -> Pixels:
            return await self.runtime.engine.decode(load_latents(self.runtime, latents), call)

        return await _answer(self.runtime, ctx, run)

    @bentoml.api
    async def sample(  # noqa: PLR0917  (BentoML calls by name)
        self,
        ctx: bentoml.Context,
        n: int = 1,
        seed: int | None = None,
        temperature: float = 1.0,
        prior: Literal["fitted", "normal"] = "fitted",
        attributes: dict[str, float] = {},  # noqa: B006  (BentoML's schema takes a plain one)
    ) -> Pixels:
        """A seed → new images uint8 [n, H, W, C]."""

        async def run(call: Call) -> Pixels:
            values = {"n": n, "seed": seed, "temperature": temperature, "prior": prior}
            parameters = check(SampleParameters, {**values, "attributes": attributes})
            check_count(self.runtime, parameters.n)
            sampled = await self.runtime.engine.sample(
                parameters.n,
                call,
                seed=parameters.seed,
                temperature=parameters.temperature,
                prior=parameters.prior,
                strengths=parameters.attributes,
            )
            return sampled.images

        return await _answer(self.runtime, ctx, run)

    @bentoml.api
    async def shift(
        self,
        ctx: bentoml.Context,
        attributes: dict[str, float],
        images: Optional[Array] = None,  # noqa: UP045  (BentoML reads this form alone)
        latents: Optional[Array] = None,  # noqa: UP045  (as above)
    ) -> Pixels:
        """Images or latents, and strengths by attribute → images uint8 [N, H, W, C]."""

        async def run(call: Call) -> Pixels:
            if (images is None) == (latents is None):
                raise InvalidRequest("shift takes images or latents; send exactly one of them")
            if images is None:
                rows = load_latents(self.runtime, latents)
                shifted = await self.runtime.engine.shift(call, latents=rows, strengths=attributes)
            else:
                levels = await self.runtime.engine.codec(call, _pixels, images)
                pixels = await load_images(self.runtime, levels, call)
                shifted = await self.runtime.engine.shift(call, images=pixels, strengths=attributes)
            return shifted.images

        return await _answer(self.runtime, ctx, run)


async def _answer(runtime: Runtime, ctx: bentoml.Context, run: Callable[[Call], Awaitable[T]]) -> T:
    """The result of ``run``; a failure becomes the envelope, which BentoML sends as it is."""
    visit = VISIT.get()
    visit.arrived, call = True, visit.call
    try:
        check_ready(runtime)
        return await run(call)
    except Exception as error:  # noqa: BLE001  (every failure has an envelope)
        reply = failure(error, call.request_id).reply
        # BentoML takes status and headers from the context, and the body from the response.
        ctx.response.status_code = reply.status
        ctx.response.metadata.update(reply.headers)
        return cast("T", Response(reply.body, media_type=reply.media_type))


def _pixels(images: Array) -> Pixels:
    """Grey levels as BentoML parsed them → uint8 [N, h, w, C]."""
    levels = images if images.ndim == 4 else images[None]  # noqa: PLR2004  ([N, H, W, C])
    whole = (levels >= 0) & (levels <= GREY_LEVELS) & (levels == np.floor(levels))
    if not whole.all():
        wrong = levels.flat[int(np.argmin(whole))]
        raise InvalidRequest(
            f"images hold {wrong:g}, but grey levels are whole numbers from 0 to {GREY_LEVELS}"
        )
    return levels.astype(np.uint8)

"""What BentoML's typed endpoints do: arrays as its own clients send them → the engine.

arrays float64 as parsed, a call → engine → arrays; a failure → the envelope, as a response

Knows BentoML's context by its response alone; `service.bento` declares the endpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from starlette.responses import Response

from inference.errors import InvalidRequest
from service.envelope import failure
from service.guest import VISIT
from service.loading import check_count, load_images, load_latents
from service.pages import check_ready
from service.parameters import SampleParameters, check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import bentoml
    from numpy.typing import NDArray

    from inference.call import Call
    from inference.results import Encoded
    from service.runtime import Runtime

    Array = NDArray[np.float64]
    Pixels = NDArray[np.uint8]

T = TypeVar("T")
GREY_LEVELS = 255


class TypedEndpoints:
    """The endpoints' bodies, on the runtime of this worker."""

    def __init__(self, runtime: Runtime) -> None:
        """Keep the runtime, which is opened elsewhere."""
        self._runtime = runtime

    async def answer(
        self,
        ctx: bentoml.Context,
        run: Callable[[Call], Awaitable[T]],
    ) -> T:
        """The result of ``run``; a failure becomes the envelope, which BentoML sends as it is."""
        visit = VISIT.get()
        visit.arrived, call = True, visit.call
        try:
            check_ready(self._runtime)
            return await run(call)
        except Exception as error:  # noqa: BLE001  (every failure has an envelope)
            reply = failure(error, call.request_id).reply
            # BentoML takes status and headers from the context, and the body from the response.
            ctx.response.status_code = reply.status
            ctx.response.metadata.update(reply.headers)
            return cast("T", Response(reply.body, media_type=reply.media_type))

    async def encode(self, call: Call, images: Array) -> Encoded:
        """Grey levels, [N, H, W, C] or [H, W, C] → mean and logvar [N, L]."""
        return await self._runtime.engine.encode(await self._load(call, images), call)

    async def decode(self, call: Call, latents: Array) -> Pixels:
        """Latents [N, L] → images."""
        return await self._runtime.engine.decode(load_latents(self._runtime, latents), call)

    async def sample(self, call: Call, **values: object) -> Pixels:
        """A seed → new images; ``values`` are the fields of `SampleParameters`."""
        parameters = check(SampleParameters, values)
        check_count(self._runtime, parameters.n)
        sampled = await self._runtime.engine.sample(
            parameters.n,
            call,
            seed=parameters.seed,
            temperature=parameters.temperature,
            prior=parameters.prior,
            strengths=parameters.attributes,
        )
        return sampled.images

    async def shift(
        self,
        call: Call,
        attributes: dict[str, float],
        images: Array | None,
        latents: Array | None,
    ) -> Pixels:
        """Images or latents, and strengths by attribute → images."""
        if (images is None) == (latents is None):
            raise InvalidRequest("shift takes images or latents; send exactly one of them")
        if images is None:
            rows = load_latents(self._runtime, latents)
            shifted = await self._runtime.engine.shift(call, latents=rows, strengths=attributes)
        else:
            pixels = await self._load(call, images)
            shifted = await self._runtime.engine.shift(call, images=pixels, strengths=attributes)
        return shifted.images

    async def _load(self, call: Call, images: Array) -> Pixels:
        levels = await self._runtime.engine.codec(call, _pixels, images)
        return await load_images(self._runtime, levels, call)


def _pixels(images: Array) -> Pixels:
    """Grey levels as BentoML parsed them → uint8 [N, h, w, C]."""
    levels = images if images.ndim == len("NHWC") else images[None]
    whole = (levels >= 0) & (levels <= GREY_LEVELS) & (levels == np.floor(levels))
    if not whole.all():
        wrong = levels.flat[int(np.argmin(whole))]
        raise InvalidRequest(
            f"images hold {wrong:g}, but grey levels are whole numbers from 0 to {GREY_LEVELS}"
        )
    return levels.astype(np.uint8)

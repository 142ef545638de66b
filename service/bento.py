"""The BentoML service as it is declared: a worker's hooks, and four typed endpoints.

``bentoml.SyncHTTPClient`` → encode, decode, sample, shift with numpy arrays → the same engine

The HTTP routes under /v1 are the data plane (`service.app`); these endpoints are a thin second
door to it. No parameter is a path or an image type: for those BentoML would fetch what a caller
names.

BentoML's supervisor imports this module too, before it starts workers. What only they need is
imported when a worker makes its one `LatentService`.
"""
# BentoML evaluates the annotations, so this module has no `from __future__ import annotations`.

from typing import TYPE_CHECKING, Literal, Optional

import bentoml
import numpy as np
from numpy.typing import NDArray

from service.hosting import FrontedService, share_connections
from service.settings import Settings
from service.tls import http_tls

if TYPE_CHECKING:
    from inference.call import Call

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]
_SETTINGS = Settings()
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
        from service.worker import Worker  # noqa: PLC0415  (the supervisor would wait for it, too)

        self._worker = Worker()
        self._typed = self._worker.typed

    @bentoml.on_startup
    async def start(self) -> None:
        """Begin the warm-up and open gRPC."""
        await self._worker.start()

    @bentoml.on_shutdown
    async def close(self) -> None:
        """Finish what runs, and close everything."""
        await self._worker.close()

    @bentoml.api
    async def encode(self, images: Array, ctx: bentoml.Context) -> Encoding:
        """Images, grey levels 0 to 255, [N, H, W, C] or [H, W, C] → mean and logvar [N, L]."""

        async def run(call: "Call") -> Encoding:
            encoded = await self._typed.encode(call, images)
            return Encoding(mean=encoded.mean, logvar=encoded.logvar)

        return await self._typed.answer(ctx, run)

    @bentoml.api
    async def decode(self, latents: Array, ctx: bentoml.Context) -> Pixels:
        """Latents [N, L] → images uint8 [N, H, W, C]."""

        async def run(call: "Call") -> Pixels:
            return await self._typed.decode(call, latents)

        return await self._typed.answer(ctx, run)

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

        async def run(call: "Call") -> Pixels:
            return await self._typed.sample(
                call,
                n=n,
                seed=seed,
                temperature=temperature,
                prior=prior,
                attributes=attributes,
            )

        return await self._typed.answer(ctx, run)

    @bentoml.api
    async def shift(
        self,
        ctx: bentoml.Context,
        attributes: dict[str, float],
        images: Optional[Array] = None,  # noqa: UP045  (BentoML reads this form alone)
        latents: Optional[Array] = None,  # noqa: UP045  (as above)
    ) -> Pixels:
        """Images or latents, and strengths by attribute → images uint8 [N, H, W, C]."""

        async def run(call: "Call") -> Pixels:
            return await self._typed.shift(call, attributes, images, latents)

        return await self._typed.answer(ctx, run)

"""One worker's life: the bundle opened, the engine warmed up, drained and closed.

settings → bundle → engine (starting) → warm-up → ready → draining → closed

Knows neither HTTP nor BentoML; both ask it for the engine.

1. One runtime holds one engine for the whole life of the process.
2. Liveness needs no warm model; readiness does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import TYPE_CHECKING

from bundle import open_bundle
from inference.cores import available_cores
from inference.engine import Engine, EngineOptions
from inference.errors import NotReady
from inference.images import ImageLimits
from service.access import Access
from service.bodies import Bodies
from service.observer import Observer
from service.pictures import Pictures
from service.settings import find_bundle
from service.telemetry import Telemetry
from service.tracing import open_tracing

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from inference.admission import State
    from service.settings import Settings

logger = logging.getLogger("latentserve")


def _end_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class Runtime:
    """What every route of one worker shares.

    Attributes:
        settings: The server's settings.
        telemetry: The worker's metrics.
        access: Who may call.
        observer: Told of every request and batch; counts, logs and traces them.
        bodies: What all requests' bodies may hold, over HTTP and gRPC together.
        pictures: What all requests' own pictures may hold, while details go onto them.
        image_limits: The limits of images that come in.
        draining: Set once nothing new is taken.
    """

    def __init__(self, settings: Settings, *, end: Callable[[], None] = _end_process) -> None:
        """Hold the settings; nothing is opened yet.

        Args:
            settings: The server's settings.
            end: Ends the server when the model turns out not to run.
        """
        self.settings = settings
        self._end = end
        self.telemetry = Telemetry()
        self.access = Access(
            settings.api_keys, settings.api_keys_file, observe=self.telemetry.observe_caller
        )
        self.observer = Observer(self.telemetry, log=settings.access_log)
        self.bodies = Bodies(settings.max_body_bytes)
        self.pictures = Pictures(settings.max_image_pixels)
        self.image_limits = ImageLimits(max_image_pixels=settings.max_image_pixels)
        self.draining = asyncio.Event()
        self._drains = False
        self._warm = asyncio.Event()
        self._engine: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._warm_up: asyncio.Task[None] | None = None
        self._key_watch: asyncio.Task[None] | None = None

    @property
    def engine(self) -> Engine:
        """The engine.

        Raises:
            NotReady: It is not opened yet.
        """
        if self._engine is None:
            raise NotReady("the model is being loaded; try again in a moment", retry_after_s=1.0)
        return self._engine

    def open(self) -> None:
        """Open the bundle and the engine's sessions.

        Raises:
            BundleError: The bundle is missing or was changed.
            DeviceUnavailable: The device that was asked for is not there.
            KeysError: The API keys cannot be read, or there is none.
        """
        settings = self.settings
        self.access.open()
        bundle = open_bundle(find_bundle(settings.bundle))
        engine = Engine(
            bundle,
            EngineOptions(
                device=settings.device,
                threads=settings.threads or -(-available_cores() // settings.workers),
                max_batch_size=settings.max_batch_size,
                max_queue_size=settings.max_queue_size,
                max_queue_delay_ms=settings.max_queue_delay_ms,
                max_items=settings.max_items,
                cuda_graphs=settings.cuda_graphs == "auto",
            ),
            observe=self.observer.batch,
        )
        self._engine = engine
        self.observer.tracing = open_tracing(os.environ)
        manifest = bundle.manifest
        self.telemetry.describe_model(manifest.name, manifest.version, engine.providers[0])
        self.telemetry.watch(
            queues=engine.queues,
            codec_jobs=lambda: engine.codec_jobs,
            in_flight=lambda: engine.admission.in_flight,
            ready=lambda: float(self.state == "ready"),
        )

    def start(self) -> None:
        """Begin the warm-up in the background, so that liveness answers meanwhile."""
        self._loop = asyncio.get_running_loop()
        self._warm_up = asyncio.create_task(self._run_warm_up(), name="warm-up")
        self._key_watch = asyncio.create_task(self.access.watch(), name="keys")

    async def ready(self) -> None:
        """Wait until the warm-up has ended, well or not, or nobody waits for it: the server drains.

        It need not have begun.
        """
        await self._warm.wait()

    @property
    def state(self) -> State:
        """``starting``, ``ready`` or ``draining``: what a new request finds.

        Draining begins here, before the engine's own: a request whose body is still coming in
        was accepted, and is answered.
        """
        if self._drains:
            return "draining"
        return "starting" if self._engine is None else self._engine.admission.state

    def drain(self) -> None:
        """Take nothing new from now on; what came before is answered."""
        self._drains = True
        if self._loop is not None:
            # From a signal handler, the loop must be woken as well; a second signal may find it
            # closed.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._let_go)

    def _let_go(self) -> None:
        self.draining.set()
        self._warm.set()

    def drain_at_signal(self) -> None:
        """At SIGTERM and SIGINT, drain before the server that installed a handler goes on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            previous = signal.getsignal(number)

            def handle(received: int, frame: FrameType | None, previous: object = previous) -> None:
                self.drain()
                if callable(previous):
                    previous(received, frame)

            signal.signal(number, handle)

    async def drained(self) -> None:
        """Wait until nothing is computed any more, at most for ``shutdown_timeout_s``."""
        if self._engine is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.shutdown_timeout_s):
                    await self._engine.admission.drained()

    async def aclose(self) -> None:
        """Drain, wait for what runs, close the sessions."""
        self.drain()
        for task in (self._warm_up, self._key_watch):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait([task])
        if self._engine is not None:
            await self._engine.aclose()
        await self.observer.aclose()

    async def _run_warm_up(self) -> None:
        try:
            await self.engine.warm_up()
        except Exception:  # a model that cannot run must end the worker, whatever the cause
            logger.critical("the warm-up failed, so the server ends", exc_info=True)
            self._end()
        finally:
            self._warm.set()

"""The five routes of the latent space, and the two that describe the model.

Request → inputs, parameters → engine → pixels or vectors → Reply in the accepted media type

Knows the engine's words; knows neither ASGI nor JSON text. Codecs run off the event loop.
"""

from __future__ import annotations

import asyncio
import reprlib
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import arrays, images
from inference.errors import InvalidImage, InvalidRequest, TooManyItems, UnsupportedMediaType
from service.inputs import read_inputs
from service.negotiation import choose
from service.parameters import (
    ImageParameters,
    SampleParameters,
    ShiftParameters,
    check,
)
from service.rendering import json_bytes, render_images, render_vectors
from service.wire import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from numpy.typing import NDArray

    from inference.call import Call
    from service.inputs import Inputs
    from service.routes import Route
    from service.runtime import Runtime
    from service.wire import Request

    Pixels = NDArray[np.uint8]
    Latents = NDArray[np.float32]

_PARSED_AT_ONCE_BYTES = 32 << 10
"""A larger body is parsed in a codec thread; this much takes less time than the way there."""


async def encode(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Images → mean and logvar float32 [N, L]."""
    media_type, inputs = await _read(runtime, request, route)
    check(route.parameters, inputs.fields, route.takes)
    pixels = await load_images(runtime, inputs.images, request.call)
    encoded = await runtime.engine.encode(pixels, request.call)
    body = await _render(
        runtime, request.call, render_vectors, encoded.mean, encoded.logvar, media_type
    )
    return Reply(body, media_type)


async def decode(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Latents [N, L] → images."""
    media_type, inputs = await _read(runtime, request, route)
    parameters = check(ImageParameters, inputs.fields, route.takes)
    latents = load_latents(runtime, inputs.latents)
    pixels = await runtime.engine.decode(latents, request.call)
    return await _images(runtime, request.call, pixels, media_type, parameters, {})


async def sample(runtime: Runtime, request: Request, route: Route) -> Reply:
    """A seed → new images; X-Seed says which seed it was."""
    media_type, inputs = await _read(runtime, request, route)
    parameters = check(SampleParameters, inputs.fields, route.takes)
    check_count(runtime, parameters.n)
    sampled = await runtime.engine.sample(
        parameters.n,
        request.call,
        seed=parameters.seed,
        temperature=parameters.temperature,
        prior=parameters.prior,
        strengths=parameters.attributes,
    )
    facts = {"latents": sampled.latents, "seed": sampled.seed}
    headers = {"X-Seed": str(sampled.seed)}
    return await _images(
        runtime, request.call, sampled.images, media_type, parameters, facts, headers
    )


async def shift(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Images or latents → the same with attributes moved."""
    media_type, inputs = await _read(runtime, request, route)
    parameters = check(ShiftParameters, inputs.fields, route.takes)
    if (inputs.images is None) == (inputs.latents is None):
        given = "neither" if inputs.images is None else "both"
        raise InvalidRequest(f"shift takes images or latents, and got {given}; send one of them")
    if inputs.images is None:
        shifted = await runtime.engine.shift(
            request.call,
            latents=load_latents(runtime, inputs.latents),
            strengths=parameters.attributes,
        )
    else:
        shifted = await runtime.engine.shift(
            request.call,
            images=await load_images(runtime, inputs.images, request.call),
            strengths=parameters.attributes,
        )
    facts = {"latents": shifted.latents}
    return await _images(runtime, request.call, shifted.images, media_type, parameters, facts)


async def reconstruct(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Images → the model's own picture of them."""
    media_type, inputs = await _read(runtime, request, route)
    parameters = check(ImageParameters, inputs.fields, route.takes)
    pixels = await load_images(runtime, inputs.images, request.call)
    result = await runtime.engine.reconstruct(pixels, request.call)
    facts = {"latents": result.latents}
    return await _images(runtime, request.call, result.images, media_type, parameters, facts)


async def model(runtime: Runtime, request: Request, route: Route) -> Reply:
    """What the manifest says, where the model runs, and the limits of a request."""
    check(route.parameters, request.query)
    engine, settings = runtime.engine, runtime.settings
    manifest = engine.bundle.manifest.model_dump(mode="json")
    facts = {
        **{name: manifest[name] for name in ("name", "version", "created", "licence")},
        **{name: manifest[name] for name in ("provenance", "image", "latent", "graphs")},
        **{name: manifest[name] for name in ("parity", "training")},
        "attributes": [attribute["name"] for attribute in manifest["attributes"]],
        "providers": list(engine.providers),
        "limits": {
            name: getattr(settings, name)
            for name in (
                "max_body_bytes",
                "max_image_pixels",
                "max_items",
                "max_queue_size",
                "max_batch_size",
                "deadline_ms",
            )
        },
    }
    return Reply(json_bytes(facts))


async def attributes(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Each attribute with its quality and the range of strengths that is useful."""
    check(route.parameters, request.query)
    manifest = runtime.engine.bundle.manifest
    listed = [attribute.model_dump(mode="json") for attribute in manifest.attributes]
    return Reply(json_bytes({"attributes": listed}))


async def load_images(runtime: Runtime, given: list[bytes] | Pixels | None, call: Call) -> Pixels:
    """Images of any kind → uint8 [N, H, W, C] of the model's own shape.

    Raises:
        InvalidRequest: There are none.
        InvalidImage: One cannot be decoded; the message says which.
    """
    if given is None:
        raise InvalidRequest("field 'images' is missing; send at least one image")
    spec = runtime.engine.bundle.manifest.image
    if isinstance(given, np.ndarray) and given.shape[1:] == spec.shape:
        return arrays.check_images(given, spec)
    runtime.engine.check_codec_room(len(given))
    before = call.codec_s
    if isinstance(given, np.ndarray):
        jobs = [runtime.engine.codec(call, images.fit, image, spec) for image in given]
    else:
        jobs = [
            runtime.engine.codec(call, _decode_one, index, data, runtime)
            for index, data in enumerate(given)
        ]
    pixels = await _all_or_none(jobs)
    runtime.telemetry.observe_codec("decode", call.codec_s - before)
    return np.stack(pixels)


async def _all_or_none(jobs: Iterable[Coroutine[Any, Any, Pixels]]) -> list[Pixels]:
    """The results of all jobs; once one fails, those that have not begun never do."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def load_latents(runtime: Runtime, given: object) -> Latents:
    """Latents as JSON rows or an array → float32 [N, L], finite.

    Raises:
        InvalidRequest: There are none, or a value is no finite number.
        ShapeMismatch: Not rows of L numbers.
    """
    dimension = runtime.engine.bundle.manifest.latent.dimension
    if given is None:
        raise InvalidRequest(f"field 'latents' is missing; send rows of {dimension} numbers")
    if isinstance(given, np.ndarray):
        return arrays.check_latents(given, dimension)
    return arrays.latents_from_lists(given, dimension)


def check_count(runtime: Runtime, count: int) -> None:
    """Refuse a request for more than ``max_items`` images.

    Raises:
        TooManyItems: ``count`` is beyond the limit.
    """
    limit = runtime.settings.max_items
    if count > limit:
        raise TooManyItems(
            f"n is {reprlib.repr(count)}, the limit is {limit}; ask for them in several requests, "
            "or ask the operator to raise `max_items`",
            details={"limit": limit},
        )


def _decode_one(index: int, data: bytes, runtime: Runtime) -> Pixels:
    spec = runtime.engine.bundle.manifest.image
    try:
        return images.decode(data, spec, runtime.image_limits)
    except (InvalidImage, UnsupportedMediaType) as error:
        raise type(error)(
            f"image {index}: {error.message}", details={**error.details, "index": index}
        ) from error


async def _read(runtime: Runtime, request: Request, route: Route) -> tuple[str, Inputs]:
    media_type = choose(request.headers.get(b"accept", b"").decode("latin-1"), route.offers)
    arguments = (request, route.takes, runtime.settings.max_items)
    if len(request.body) <= _PARSED_AT_ONCE_BYTES:
        return media_type, read_inputs(*arguments)
    runtime.engine.check_codec_room()
    return media_type, await runtime.engine.codec(request.call, read_inputs, *arguments)


async def _images(  # noqa: PLR0917  (one result's worth, in the order of the flow)
    runtime: Runtime,
    call: Call,
    pixels: Pixels,
    media_type: str,
    parameters: ImageParameters,
    facts: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
) -> Reply:
    body = await _render(
        runtime, call, render_images, pixels, media_type, parameters.columns, facts
    )
    return Reply(body, media_type, headers=headers or {})


async def _render(
    runtime: Runtime, call: Call, render: Callable[..., bytes], *arguments: object
) -> bytes:
    before = call.codec_s
    body = await runtime.engine.codec(call, render, *arguments)
    runtime.telemetry.observe_codec("encode", call.codec_s - before)
    return body

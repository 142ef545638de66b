"""The routes of the latent space.

Request → inputs, parameters → engine → pixels or vectors → Reply in the accepted media type

Knows the engine's words; knows neither ASGI nor JSON text. Codecs run off the event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference.errors import InvalidRequest
from service.inputs import read_inputs
from service.loading import (
    check_count,
    load_groups,
    load_images,
    load_latents,
    own_pictures,
    rows_of_images,
)
from service.negotiation import choose
from service.outgoing import Outgoing
from service.parameters import (
    ImageParameters,
    InterpolateParameters,
    SampleParameters,
    ShiftParameters,
    check,
)
from service.rendering import is_light, render_images, render_vectors
from service.wire import Reply

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference.call import Call
    from inference.results import Encoded, Images, Pictures, Sampled
    from service.inputs import Inputs
    from service.routes import Route
    from service.runtime import Runtime
    from service.wire import Request

    Pixels = NDArray[np.uint8]

__all__ = ["load_images", "load_latents"]

_PARSED_AT_ONCE_BYTES = 32 << 10
"""A larger body is parsed in a codec thread; this much takes less time than the way there."""


async def encode(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Images → mean and logvar float32 [N, L]."""
    media_type, inputs = await _read(runtime, request, route)
    check(route.parameters, inputs.fields, route.takes)
    rows = await rows_of_images(runtime, inputs.images, request.call)

    def render(encoded: Encoded) -> bytes:
        return render_vectors(encoded.mean, encoded.logvar, media_type)

    answer = Outgoing(render, light=is_light(media_type, len(rows)))
    encoded = await runtime.engine.encode(rows, request.call, answer.on_the_way)
    return Reply(await answer.body(runtime.engine, request.call, encoded), media_type)


async def decode(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Latents [N, L] → images."""
    media_type, inputs = await _read(runtime, request, route)
    parameters = check(ImageParameters, inputs.fields, route.takes)
    latents = load_latents(runtime, inputs.latents)

    def render(pixels: Pixels) -> bytes:
        return render_images(pixels, media_type, parameters.columns, {})

    answer = Outgoing(render, light=is_light(media_type, len(latents)))
    pixels = await runtime.engine.decode(latents, request.call, answer.on_the_way)
    return Reply(await answer.body(runtime.engine, request.call, pixels), media_type)


async def sample(runtime: Runtime, request: Request, route: Route) -> Reply:
    """A seed → new images; X-Seed says which seed it was."""
    media_type, inputs = await _read(runtime, request, route)
    parameters = check(SampleParameters, inputs.fields, route.takes)
    check_count(runtime, parameters.n)

    def render(found: Sampled) -> bytes:
        facts = {"latents": found.latents, "seed": found.seed}
        return render_images(found.images, media_type, parameters.columns, facts)

    answer = Outgoing(render, light=is_light(media_type, parameters.n))
    sampled = await runtime.engine.sample(
        parameters.n,
        request.call,
        seed=parameters.seed,
        temperature=parameters.temperature,
        prior=parameters.prior,
        strengths=parameters.attributes,
        then=answer.on_the_way,
    )
    headers = {"X-Seed": str(sampled.seed)}
    body = await answer.body(runtime.engine, request.call, sampled)
    return Reply(body, media_type, headers=headers)


async def shift(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Images or latents → the same with attributes moved."""
    media_type, inputs = await _read(runtime, request, route)
    parameters = check(ShiftParameters, inputs.fields, route.takes)
    _check_either(route, inputs)
    if parameters.detail:
        return await _detail(runtime, request.call, inputs, media_type, parameters)
    start = await _start(runtime, inputs, request.call)
    answer = _pictures(media_type, parameters, sum(map(len, start.values())))
    shifted = await runtime.engine.shift(
        request.call, **start, strengths=parameters.attributes, then=answer.on_the_way
    )
    return Reply(await answer.body(runtime.engine, request.call, shifted), media_type)


async def reconstruct(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Images → the model's own picture of them."""
    media_type, inputs = await _read(runtime, request, route)
    parameters = check(ImageParameters, inputs.fields, route.takes)
    rows = await rows_of_images(runtime, inputs.images, request.call)
    answer = _pictures(media_type, parameters, len(rows))
    result = await runtime.engine.reconstruct(rows, request.call, answer.on_the_way)
    return Reply(await answer.body(runtime.engine, request.call, result), media_type)


async def interpolate(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Two images or two latents → images on the way from one to the other."""
    media_type, inputs = await _read(runtime, request, route)
    parameters = check(InterpolateParameters, inputs.fields, route.takes)
    _check_either(route, inputs)
    check_count(runtime, parameters.steps, "steps")
    result = await runtime.engine.interpolate(
        request.call,
        **await _start(runtime, inputs, request.call),
        steps=parameters.steps,
        path=parameters.path,
    )
    answer = _pictures(media_type, parameters, parameters.steps)
    return Reply(await answer.body(runtime.engine, request.call, result), media_type)


async def arithmetic(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Groups to add and to subtract, each averaged → one image."""
    media_type, inputs = await _read(runtime, request, route)
    parameters = check(ImageParameters, inputs.fields, route.takes)
    groups = await load_groups(runtime, inputs.groups, request.call)
    result = await runtime.engine.arithmetic(request.call, **groups)
    answer = _pictures(media_type, parameters, 1)
    return Reply(await answer.body(runtime.engine, request.call, result), media_type)


async def _detail(
    runtime: Runtime, call: Call, inputs: Inputs, media_type: str, parameters: ShiftParameters
) -> Reply:
    if inputs.images is None:
        raise InvalidRequest(
            "detail adds what the shift changes to the picture that was sent, but latents came; "
            "send images, or leave detail out"
        )
    async with own_pictures(runtime, inputs.images, call) as pictures:
        result = await runtime.engine.detail(
            call, pictures=pictures, strengths=parameters.attributes
        )

        def render(found: Pictures) -> bytes:
            facts = {"latents": found.latents}
            return render_images(found.pictures, media_type, parameters.columns, facts)

        answer = Outgoing(render, light=is_light(media_type, len(pictures)))
        return Reply(await answer.body(runtime.engine, call, result), media_type)


def _check_either(route: Route, inputs: Inputs) -> None:
    if (inputs.images is None) == (inputs.latents is None):
        given = "neither" if inputs.images is None else "both"
        raise InvalidRequest(
            f"{route.name} takes images or latents, and got {given}; send one of them"
        )


async def _start(runtime: Runtime, inputs: Inputs, call: Call) -> dict[str, Any]:
    """The engine's argument for the images or latents that were given."""
    if inputs.images is None:
        return {"latents": load_latents(runtime, inputs.latents)}
    return {"images": await rows_of_images(runtime, inputs.images, call)}


async def _read(runtime: Runtime, request: Request, route: Route) -> tuple[str, Inputs]:
    media_type = choose(request.headers.get(b"accept", b"").decode("latin-1"), route.offers)

    def parse() -> Inputs:
        return read_inputs(request, route.takes, runtime.settings.max_items, raw=route.raw)

    if len(request.body) <= _PARSED_AT_ONCE_BYTES:
        return media_type, parse()
    runtime.engine.check_codec_room(request.call)
    return media_type, await runtime.engine.codec(request.call, parse)


def _pictures(media_type: str, parameters: ImageParameters, count: int) -> Outgoing[Images, bytes]:
    def render(found: Images) -> bytes:
        facts = {"latents": found.latents}
        return render_images(found.images, media_type, parameters.columns, facts)

    return Outgoing(render, light=is_light(media_type, count))

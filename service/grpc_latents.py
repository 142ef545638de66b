"""`latentserve.v1.Latents`: the operations of /v1 over gRPC.

message → inputs, parameters → engine → pixels or vectors → message

Knows the engine's words and the messages; calls, deadlines and failures are the gate's. Parameters
are checked by the models that HTTP uses, so both refuse the same with the same slug.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from inference.errors import InvalidRequest
from service.grpc_gate import Streamed, Unary
from service.grpc_messages import (
    check_format,
    is_light,
    read_images,
    read_matrix,
    write_images,
    write_matrix,
)
from service.loading import load_latents, rows_of_images
from service.outgoing import Outgoing
from service.parameters import SampleParameters, ShiftParameters, check
from service.proto.latentserve.v1 import latents_pb2 as pb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference.call import Call
    from inference.errors import ServingError
    from inference.interpolation import PathName
    from inference.results import Images, Sampled
    from inference.ride import LazyRows
    from service.runtime import Runtime

    Pixels = NDArray[np.uint8]
    Latents = NDArray[np.float32]

W = TypeVar("W", bound=str)
SERVICE = pb.DESCRIPTOR.services_by_name["Latents"]
_PRIORS: dict[int, str] = {
    pb.PRIOR_UNSPECIFIED: "fitted",
    pb.PRIOR_FITTED: "fitted",
    pb.PRIOR_NORMAL: "normal",
}
_PATHS: dict[int, PathName] = {
    pb.PATH_UNSPECIFIED: "linear",
    pb.PATH_LINEAR: "linear",
    pb.PATH_SPHERICAL: "spherical",
}


class LatentsService:
    """The service's methods for one worker."""

    def __init__(self, runtime: Runtime) -> None:
        """Serve the engine of ``runtime``."""
        self._runtime = runtime

    def methods(self) -> dict[str, Unary | Streamed]:
        """By name, for the gate."""
        return {
            "Encode": Unary(self.encode, graph="encoder"),
            "Decode": Unary(self.decode, graph="decoder"),
            "Sample": Unary(self.sample, graph="decoder"),
            "Shift": Unary(self.shift, graph="decoder"),
            "Reconstruct": Unary(self.reconstruct, graph="decoder"),
            "Interpolate": Unary(self.interpolate, graph="decoder"),
            "GetModel": Unary(self.get_model, data=False),
            "EncodeStream": Streamed(self.encode, _encoding, _failed_encoding),
            "DecodeStream": Streamed(self.decode, _images, _failed_images),
            "ShiftStream": Streamed(self.shift, _images, _failed_images),
        }

    async def encode(self, asked: pb.EncodeRequest, call: Call) -> pb.EncodeResponse:
        """Images → mean and logvar."""
        rows = await self._rows(asked.images, call)
        encoded = await self._runtime.engine.encode(rows, call)
        logvar = None if encoded.logvar is None else write_matrix(encoded.logvar)
        return pb.EncodeResponse(mean=write_matrix(encoded.mean), logvar=logvar)

    async def decode(self, asked: pb.DecodeRequest, call: Call) -> pb.ImagesResponse:
        """Latents → images."""
        check_format(asked.format)
        latents = self._latents(asked.latents if asked.HasField("latents") else None)

        def render(pixels: Pixels) -> pb.ImagesResponse:
            return pb.ImagesResponse(images=write_images(pixels, asked.format))

        answer = Outgoing(render, light=is_light(asked.format, len(latents)))
        pixels = await self._runtime.engine.decode(latents, call, answer.on_the_way)
        return await answer.body(self._runtime.engine, call, pixels)

    async def sample(self, asked: pb.SampleRequest, call: Call) -> pb.SampleResponse:
        """A seed → new images."""
        check_format(asked.format)
        values: dict[str, Any] = {
            name: getattr(asked, name)
            for name in ("n", "seed", "temperature")
            if asked.HasField(name)
        }
        values["prior"] = _word("prior", asked.prior, _PRIORS)
        parameters = check(SampleParameters, {**values, "attributes": dict(asked.attributes)})

        def render(found: Sampled) -> pb.SampleResponse:
            return pb.SampleResponse(
                images=write_images(found.images, asked.format),
                latents=write_matrix(found.latents),
                seed=found.seed,
            )

        answer = Outgoing(render, light=is_light(asked.format, parameters.n))
        sampled = await self._runtime.engine.sample(
            parameters.n,
            call,
            seed=parameters.seed,
            temperature=parameters.temperature,
            prior=parameters.prior,
            strengths=parameters.attributes,
            then=answer.on_the_way,
        )
        return await answer.body(self._runtime.engine, call, sampled)

    async def shift(self, asked: pb.ShiftRequest, call: Call) -> pb.ImagesResponse:
        """Images or latents → the same with attributes moved."""
        check_format(asked.format)
        parameters = check(ShiftParameters, {"attributes": dict(asked.attributes)})
        source = await self._source(asked, call)
        answer = _answer(asked.format, sum(map(len, source.values())))
        shifted = await self._runtime.engine.shift(
            call, **source, strengths=parameters.attributes, then=answer.on_the_way
        )
        return await answer.body(self._runtime.engine, call, shifted)

    async def reconstruct(self, asked: pb.ReconstructRequest, call: Call) -> pb.ImagesResponse:
        """Images → the model's own picture of them."""
        check_format(asked.format)
        rows = await self._rows(asked.images, call)
        answer = _answer(asked.format, len(rows))
        result = await self._runtime.engine.reconstruct(rows, call, answer.on_the_way)
        return await answer.body(self._runtime.engine, call, result)

    async def interpolate(self, asked: pb.InterpolateRequest, call: Call) -> pb.ImagesResponse:
        """Two images or latents → images on the way between them."""
        check_format(asked.format)
        path = _word("path", asked.path, _PATHS)
        source = await self._source(asked, call)
        result = await self._runtime.engine.interpolate(
            call, **source, steps=asked.steps, path=path
        )
        answer = _answer(asked.format, asked.steps)
        return await answer.body(self._runtime.engine, call, result)

    async def get_model(self, _: pb.GetModelRequest, call: Call) -> pb.GetModelResponse:  # noqa: ARG002  (a method's signature)
        """What is served, and within which limits."""
        manifest, settings = self._runtime.engine.bundle.manifest, self._runtime.settings
        return pb.GetModelResponse(
            name=manifest.name,
            version=manifest.version,
            height=manifest.image.height,
            width=manifest.image.width,
            channels=manifest.image.channels,
            latent_dimension=manifest.latent.dimension,
            attributes=[
                pb.Attribute(
                    name=attribute.name,
                    useful_low=attribute.useful_range[0],
                    useful_high=attribute.useful_range[1],
                )
                for attribute in manifest.attributes
            ],
            limits=pb.Limits(
                max_body_bytes=settings.max_body_bytes,
                max_image_pixels=settings.max_image_pixels,
                max_items=settings.max_items,
                deadline_ms=settings.deadline_ms,
            ),
        )

    async def _source(
        self, asked: pb.ShiftRequest | pb.InterpolateRequest, call: Call
    ) -> dict[str, Any]:
        """The engine's argument for the images or the latents that were sent."""
        which = asked.WhichOneof("source")
        if which is None:
            raise InvalidRequest("neither images nor latents came; send one of them")
        if which == "latents":
            return {"latents": self._latents(asked.latents)}
        return {"images": await self._rows(asked.images, call)}

    async def _rows(self, given: pb.Images, call: Call) -> Pixels | LazyRows:
        loaded = read_images(given, self._runtime.settings.max_items)
        return await rows_of_images(self._runtime, loaded, call)

    def _latents(self, given: pb.Matrix | None) -> Latents:
        rows = None if given is None else read_matrix(given, self._runtime.settings.max_items)
        return load_latents(self._runtime, rows)


def _answer(asked: int, count: int) -> Outgoing[Images, pb.ImagesResponse]:
    def render(found: Images) -> pb.ImagesResponse:
        images = write_images(found.images, asked)
        return pb.ImagesResponse(images=images, latents=write_matrix(found.latents))

    return Outgoing(render, light=is_light(asked, count))


def _word(name: str, number: int, words: dict[int, W]) -> W:
    word = words.get(number)
    if word is None:
        raise InvalidRequest(f"{name} is {number}, but this server knows {sorted(words)}")
    return word


def _encoding(answer: pb.EncodeResponse) -> pb.EncodeStreamResponse:
    return pb.EncodeStreamResponse(answer=answer)


def _images(answer: pb.ImagesResponse) -> pb.ImagesStreamResponse:
    return pb.ImagesStreamResponse(answer=answer)


def _failed_encoding(_: object, error: ServingError) -> pb.EncodeStreamResponse:
    return pb.EncodeStreamResponse(failure=_failure(error))


def _failed_images(_: object, error: ServingError) -> pb.ImagesStreamResponse:
    return pb.ImagesStreamResponse(failure=_failure(error))


def _failure(error: ServingError) -> pb.Failure:
    text = error.message.encode("utf-8", "backslashreplace").decode()
    status = grpc.StatusCode[error.grpc_status].value[0]
    return pb.Failure(
        slug=error.slug, message=text, status=status, retry_after_s=error.retry_after_s
    )

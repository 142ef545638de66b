"""Every way into the server, behind one set of methods: arrays in, arrays out, or a slug.

/v1 as JSON, /v1 as .npy, /v2 as JSON, /v2 with binary tensors, Open Inference Protocol over gRPC,
latentserve.v1 over gRPC
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import orjson
from PIL import Image

from inference.arrays import read_npy, write_npy
from inference.errors import ERRORS
from service.proto.latentserve.v1 import latents_pb2 as v1
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from service.proto.oip import open_inference_pb2 as oip
from service.proto.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from tests.support.tiny_bundle import ATTRIBUTES

if TYPE_CHECKING:
    import httpx
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Strengths = dict[str, float]

LENGTH = "Inference-Header-Content-Length"
DATATYPES = {"uint8": "UINT8", "float32": "FP32", "int64": "INT64"}
STORED = {"UINT8": "u1", "FP32": "<f4", "INT64": "<i8"}
MANY = 100_000


class Refused(Exception):  # noqa: N818  (an event, not a fault)
    """The server's word for why it did not answer."""

    def __init__(self, slug: str) -> None:
        """Keep the slug."""
        super().__init__(slug)
        self.slug = slug


@dataclass
class Answer:
    """What came back.

    Attributes:
        array: The images, or the means.
        batch: Items of the largest micro-batch that the request rode in.
    """

    array: Array
    batch: int


class Door:
    """One way in; ``deadline_s`` is how long the caller waits."""

    name = ""

    async def encode(self, images: Array, *, deadline_s: float | None = None) -> Answer:
        raise NotImplementedError

    async def decode(self, rows: Array, *, deadline_s: float | None = None) -> Answer:
        raise NotImplementedError

    async def sample(self, n: int, seed: int, *, deadline_s: float | None = None) -> Answer:
        raise NotImplementedError

    async def shift(
        self, images: Array, strengths: Strengths, *, deadline_s: float | None = None
    ) -> Answer:
        raise NotImplementedError


def doors(client: httpx.AsyncClient, channel: Any) -> list[Door]:
    """All six."""
    return [
        V1Json(client),
        V1Npy(client),
        V2(client, binary=False),
        V2(client, binary=True),
        OverGrpc(channel),
        Latents(channel),
    ]


class V1Json(Door):
    """/v1 with JSON both ways."""

    name = "/v1 JSON"

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Ask through ``client``."""
        self._client = client

    async def encode(self, images: Array, *, deadline_s: float | None = None) -> Answer:
        texts = [base64.b64encode(png(image)).decode() for image in images]
        body, batch = await self._ask("encode", {"images": texts}, deadline_s)
        return Answer(np.array(body["mean"], np.float32), batch)

    async def decode(self, rows: Array, *, deadline_s: float | None = None) -> Answer:
        return self._images(await self._ask("decode", {"latents": rows.tolist()}, deadline_s))

    async def sample(self, n: int, seed: int, *, deadline_s: float | None = None) -> Answer:
        return self._images(await self._ask("sample", {"n": n, "seed": seed}, deadline_s))

    async def shift(
        self, images: Array, strengths: Strengths, *, deadline_s: float | None = None
    ) -> Answer:
        texts = [base64.b64encode(png(image)).decode() for image in images]
        body = {"images": texts, "attributes": strengths}
        return self._images(await self._ask("shift", body, deadline_s))

    def _images(self, answer: tuple[dict[str, Any], int]) -> Answer:
        files = [base64.b64decode(text) for text in answer[0]["images"]]
        pictures = [np.asarray(Image.open(io.BytesIO(file))) for file in files]
        return Answer(np.stack(pictures), answer[1])

    async def _ask(
        self, route: str, body: dict[str, Any], deadline_s: float | None
    ) -> tuple[dict[str, Any], int]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        answer = await self._client.post(
            f"/v1/{route}", content=orjson.dumps(body), headers={**headers, **late(deadline_s)}
        )
        return check_v1(answer).json(), int(answer.headers["x-batch-size"])


class V1Npy(Door):
    """/v1 with arrays both ways."""

    name = "/v1 npy"

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Ask through ``client``."""
        self._client = client

    async def encode(self, images: Array, *, deadline_s: float | None = None) -> Answer:
        return await self._ask("encode", write_npy(images), deadline_s)

    async def decode(self, rows: Array, *, deadline_s: float | None = None) -> Answer:
        return await self._ask("decode", write_npy(rows), deadline_s)

    async def sample(self, n: int, seed: int, *, deadline_s: float | None = None) -> Answer:
        return await self._ask("sample", b"", deadline_s, {"n": n, "seed": seed})

    async def shift(
        self, images: Array, strengths: Strengths, *, deadline_s: float | None = None
    ) -> Answer:
        query = {"attributes": orjson.dumps(strengths).decode()}
        return await self._ask("shift", write_npy(images), deadline_s, query)

    async def _ask(
        self, route: str, body: bytes, deadline_s: float | None, query: dict[str, Any] | None = None
    ) -> Answer:
        headers = {"Accept": "application/x-npy", **late(deadline_s)}
        if body:
            headers["Content-Type"] = "application/x-npy"
        answer = await self._client.post(
            f"/v1/{route}", content=body, headers=headers, params=query
        )
        array = read_npy(check_v1(answer).content, max_items=MANY)
        return Answer(array, int(answer.headers["x-batch-size"]))


class Tensors(Door):
    """The Open Inference Protocol, whatever carries it."""

    async def encode(self, images: Array, *, deadline_s: float | None = None) -> Answer:
        return await self.infer("encoder", {"image": images}, "mean", deadline_s)

    async def decode(self, rows: Array, *, deadline_s: float | None = None) -> Answer:
        return await self.infer("decoder", {"latent": rows}, "image", deadline_s)

    async def sample(self, n: int, seed: int, *, deadline_s: float | None = None) -> Answer:
        inputs = {"n": np.array([n]), "seed": np.array([seed])}
        return await self.infer("sampler", inputs, "image", deadline_s)

    async def shift(
        self, images: Array, strengths: Strengths, *, deadline_s: float | None = None
    ) -> Answer:
        row = np.array([[strengths.get(name, 0) for name in ATTRIBUTES]], np.float32)
        inputs = {"image": images, "strengths": row}
        return await self.infer("shifter", inputs, "image", deadline_s)

    async def infer(
        self, model: str, inputs: dict[str, Array], output: str, deadline_s: float | None
    ) -> Answer:
        raise NotImplementedError


class V2(Tensors):
    """/v2 with JSON or binary data both ways."""

    def __init__(self, client: httpx.AsyncClient, *, binary: bool) -> None:
        """Ask through ``client``."""
        self._client = client
        self._binary = binary
        self.name = "/v2 binary" if binary else "/v2 JSON"

    async def infer(
        self, model: str, inputs: dict[str, Array], output: str, deadline_s: float | None
    ) -> Answer:
        entries: list[dict[str, Any]] = []
        for name, array in inputs.items():
            content = {"data": array.tolist()}
            if self._binary:
                content = {"parameters": {"binary_data_size": array.nbytes}}  # type: ignore[dict-item]
            datatype = DATATYPES[str(array.dtype)]
            entries.append({"name": name, "datatype": datatype, "shape": array.shape, **content})
        wanted = {"name": output, "parameters": {"binary_data": self._binary}}
        head = orjson.dumps({"inputs": entries, "outputs": [wanted]})
        behind = b"".join(array.tobytes() for array in inputs.values()) if self._binary else b""
        answer = await self._client.post(
            f"/v2/models/{model}/infer",
            content=head + behind,
            headers={LENGTH: str(len(head)), **late(deadline_s)},
        )
        if answer.status_code != 200:
            slug = answer.json()["slug"]
            assert answer.status_code == ERRORS[slug].http_status
            raise Refused(slug)
        size = int(answer.headers.get(LENGTH, len(answer.content)))
        (found,) = orjson.loads(answer.content[:size])["outputs"]
        kind = STORED[found["datatype"]]
        if self._binary:
            flat = np.frombuffer(answer.content[size:], kind)
        else:
            flat = np.array(found["data"], kind)
        return Answer(flat.reshape(found["shape"]), int(answer.headers["x-batch-size"]))


class OverGrpc(Tensors):
    """The Open Inference Protocol over gRPC."""

    name = "OIP gRPC"

    def __init__(self, channel: Any) -> None:
        """Ask through ``channel``."""
        self._stub = GRPCInferenceServiceStub(channel)

    async def infer(
        self, model: str, inputs: dict[str, Array], output: str, deadline_s: float | None
    ) -> Answer:
        asked = oip.ModelInferRequest(model_name=model)
        asked.outputs.add(name=output)
        for name, array in inputs.items():
            asked.inputs.add(name=name, datatype=DATATYPES[str(array.dtype)], shape=array.shape)
            asked.raw_input_contents.append(array.tobytes())
        answer, batch = await called(self._stub.ModelInfer(asked, timeout=deadline_s))
        (found,) = answer.outputs
        flat = np.frombuffer(answer.raw_output_contents[0], STORED[found.datatype])
        return Answer(flat.reshape(tuple(found.shape)), batch)


class Latents(Door):
    """latentserve.v1 over gRPC."""

    name = "latentserve.v1"

    def __init__(self, channel: Any) -> None:
        """Ask through ``channel``."""
        self._stub = LatentsStub(channel)

    async def encode(self, images: Array, *, deadline_s: float | None = None) -> Answer:
        asked = v1.EncodeRequest(images=raw(images))
        answer, batch = await called(self._stub.Encode(asked, timeout=deadline_s))
        mean = np.frombuffer(answer.mean.data, "<f4")
        return Answer(mean.reshape(answer.mean.rows, answer.mean.columns), batch)

    async def decode(self, rows: Array, *, deadline_s: float | None = None) -> Answer:
        matrix = v1.Matrix(rows=rows.shape[0], columns=rows.shape[1], data=rows.tobytes())
        asked = v1.DecodeRequest(latents=matrix, format=v1.IMAGE_FORMAT_PIXELS)
        return pictures(await called(self._stub.Decode(asked, timeout=deadline_s)))

    async def sample(self, n: int, seed: int, *, deadline_s: float | None = None) -> Answer:
        asked = v1.SampleRequest(n=n, seed=seed, format=v1.IMAGE_FORMAT_PIXELS)
        return pictures(await called(self._stub.Sample(asked, timeout=deadline_s)))

    async def shift(
        self, images: Array, strengths: Strengths, *, deadline_s: float | None = None
    ) -> Answer:
        asked = v1.ShiftRequest(
            images=raw(images), attributes=strengths, format=v1.IMAGE_FORMAT_PIXELS
        )
        return pictures(await called(self._stub.Shift(asked, timeout=deadline_s)))


async def called(call: Any) -> tuple[Any, int]:
    """A gRPC call's answer, and the size of its micro-batch."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        raise Refused(slug_in(error)) from None
    return answer, int(dict(await call.trailing_metadata())["x-batch-size"])


def slug_in(error: grpc.aio.AioRpcError) -> str:
    """The slug of a failed call, whose status must be that of the table."""
    facts = dict(error.trailing_metadata() or ())
    # A deadline that passes in the client is told by the client, which knows no slug.
    slug = str(facts.get("x-error-slug", error.code().name.lower()))
    assert ERRORS[slug].grpc_status == error.code().name
    return slug


def check_v1(answer: httpx.Response) -> httpx.Response:
    """The answer itself, or its slug."""
    if answer.status_code != 200:
        slug = answer.json()["error"]["slug"]
        assert answer.status_code == ERRORS[slug].http_status
        raise Refused(slug)
    return answer


def late(deadline_s: float | None) -> dict[str, str]:
    """The header of a deadline."""
    return {} if deadline_s is None else {"X-Deadline-Ms": f"{deadline_s * 1000:g}"}


def raw(images: Array) -> v1.Images:
    """An array as a message."""
    return v1.Images(pixels=v1.Pixels(shape=images.shape, data=images.tobytes()))


def pictures(answer: tuple[Any, int]) -> Answer:
    """A message with an array of images."""
    pixels = answer[0].images.pixels
    array = np.frombuffer(pixels.data, np.uint8).reshape(tuple(pixels.shape))
    return Answer(array, answer[1])


def png(image: Array) -> bytes:
    """A file of the image."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()

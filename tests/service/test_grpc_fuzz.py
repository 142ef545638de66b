"""Random and mutated messages, over gRPC and as bodies under /v2: an answer or the caller's fault.

The handlers are called as gRPC calls them, without a socket.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import httpx
import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.errors import ERRORS
from service import grpc_latents
from service.app import create_app
from service.grpc_gate import Gate
from service.grpc_latents import LatentsService
from service.oip import servicer
from service.oip.servicer import OpenInference
from service.proto.latentserve.v1 import latents_pb2 as v1
from service.proto.oip import open_inference_pb2 as oip
from service.runtime import Runtime
from service.settings import Settings
from tests.support.fuzz import MEMORY, damaged, resident_bytes
from tests.support.tiny_bundle import banded_image, write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Generator

METHODS = [
    f"/{service.full_name}/{method.name}"
    for service in (grpc_latents.SERVICE, servicer.SERVICE)
    for method in service.methods
]
MINE = {
    slug for slug, row in ERRORS.items() if row.grpc_status in {"INVALID_ARGUMENT", "NOT_FOUND"}
}
"""What may be said of a caller's message; a fault of the server is not among it."""
_IMAGE = banded_image([0, 85, 170, 255])
_MATRIX = v1.Matrix(rows=2, columns=4, data=np.zeros((2, 4), np.float32).tobytes())
_LATENT = {"name": "latent", "datatype": "FP32", "shape": [1, 4]}
_TENSOR = oip.ModelInferRequest.InferInputTensor
VALID = [
    message.SerializeToString()
    for message in (
        v1.EncodeRequest(
            images=v1.Images(pixels=v1.Pixels(shape=_IMAGE.shape, data=_IMAGE.tobytes()))
        ),
        v1.EncodeRequest(images=v1.Images(files=[b"\x89PNG\r\n\x1a\n"])),
        v1.DecodeRequest(latents=_MATRIX, format=v1.IMAGE_FORMAT_PIXELS),
        v1.SampleRequest(n=2, seed=7, temperature=0.5, attributes={"smile": 1}),
        v1.ShiftRequest(latents=_MATRIX, attributes={"glasses": 1}, format=v1.IMAGE_FORMAT_WEBP),
        v1.InterpolateRequest(latents=_MATRIX, steps=3, path=v1.PATH_SPHERICAL),
        oip.ModelMetadataRequest(name="encoder", version="1"),
        oip.ModelInferRequest(
            model_name="decoder",
            inputs=[_TENSOR(**_LATENT)],
            raw_input_contents=[bytes(16)],
            outputs=[oip.ModelInferRequest.InferRequestedOutputTensor(name="image")],
        ),
        oip.ModelInferRequest(
            model_name="sampler",
            parameters={"prior": oip.InferParameter(string_param="normal")},
            inputs=[
                _TENSOR(
                    name="n",
                    datatype="INT64",
                    shape=[1],
                    contents=oip.InferTensorContents(int64_contents=[2]),
                )
            ],
        ),
    )
]
BODY = orjson.dumps(
    {
        "id": "1",
        "parameters": {"binary_data_output": True},
        "inputs": [{**_LATENT, "data": [[0, 1.5, -1, 2]]}],
        "outputs": [{"name": "image", "parameters": {"binary_data": False}}],
    }
)
BINARY_HEAD = orjson.dumps({"inputs": [{**_LATENT, "parameters": {"binary_data_size": 16}}]})


class Served(NamedTuple):
    """A warm worker and the event loop that it lives in."""

    runner: asyncio.Runner
    runtime: Runtime
    handlers: tuple[Any, ...]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")
    with asyncio.Runner() as runner:

        async def start() -> Runtime:
            options = Settings(
                bundle=bundle, device="cpu", threads=1, max_items=8, max_image_pixels=4096
            )
            runtime = Runtime(options)
            runtime.open()
            runtime.start()
            await runtime.ready()
            return runtime

        runtime = runner.run(start())
        gate = Gate(runtime)
        yield Served(
            runner,
            runtime,
            (
                gate.handlers(grpc_latents.SERVICE, LatentsService(runtime).methods()),
                gate.handlers(servicer.SERVICE, OpenInference(runtime).methods()),
            ),
        )
        runner.run(runtime.aclose())


class Aborted(Exception):  # noqa: N818  (an event, not a fault)
    """What gRPC raises to end a call."""


class Context:
    """As much of a call's context as the gate uses."""

    def __init__(self) -> None:
        """Nothing is said yet."""
        self.code: Any = None
        self.trailing: dict[str, str] = {}

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def time_remaining(self) -> float | None:
        return None

    def set_trailing_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self.trailing = dict(metadata)

    async def send_initial_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        assert dict(metadata)["x-request-id"]

    async def abort(
        self, code: Any, details: str, metadata: tuple[tuple[str, str], ...] = ()
    ) -> None:
        assert details
        self.code, self.trailing = code, dict(metadata)
        raise Aborted


class Details(NamedTuple):
    """What gRPC asks a generic handler with."""

    method: str
    invocation_metadata: tuple[()] = ()


async def slugs_of(served: Served, method: str, raw: bytes) -> list[str]:
    """How a message ends, or each failure of a stream of it."""
    handler = next(found for h in served.handlers if (found := h.service(Details(method))))
    context = Context()
    if handler.unary_unary is not None:
        try:
            await handler.unary_unary(raw, context)
        except Aborted:
            slug = context.trailing["x-error-slug"]
            assert grpc.StatusCode[ERRORS[slug].grpc_status] == context.code
            return [slug]
        return []

    async def requests() -> Any:
        yield raw
        yield raw

    response = oip.ModelStreamInferResponse if "ModelStream" in method else None
    answers = [answer async for answer in handler.stream_stream(requests(), context)]
    assert len(answers) == 2
    if response is not None:
        messages = [response.FromString(answer).error_message for answer in answers]
        return [message.split(":")[0] for message in messages if message]
    kind = v1.EncodeStreamResponse if "Encode" in method else v1.ImagesStreamResponse
    read = [kind.FromString(answer) for answer in answers]
    return [answer.failure.slug for answer in read if answer.HasField("failure")]


@st.composite
def mutated(draw: st.DrawFn, valid: list[bytes]) -> bytes:
    """A valid message with bytes changed, cut out, put in, and perhaps another behind it."""
    data = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            data[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
        elif kind == 1:
            del data[place : place + draw(st.integers(1, 30))]
        elif kind == 2:
            data[place:place] = draw(st.binary(max_size=10))
        else:
            data += draw(st.sampled_from(valid))
    return bytes(data)


@given(method=st.sampled_from(METHODS), raw=st.binary(max_size=200) | mutated(VALID))
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_message_is_answered_or_refused_by_the_table(
    method: str, raw: bytes, served: Served
) -> None:
    assert set(served.runner.run(slugs_of(served, method, raw))) <= MINE
    assert served.runtime.engine.admission.in_flight == 0
    assert served.runtime.bodies.held == 0


@pytest.mark.skipif(not MEMORY.exists(), reason="memory is read from /proc")
def test_thousands_of_damaged_messages_leave_nothing(served: Served) -> None:
    rng = np.random.default_rng(2)

    async def all_of_them() -> int:
        before = 0
        for number in range(3000):
            if number == 1000:
                before = resident_bytes()
            method = METHODS[rng.integers(len(METHODS))]
            assert set(await slugs_of(served, method, damaged(VALID, rng))) <= MINE
        return resident_bytes() - before

    assert served.runner.run(all_of_them()) < 8 << 20


def test_the_valid_messages_are_valid(served: Served) -> None:
    """Else the mutations would only ever find the first check."""
    ends = []
    for raw in VALID:
        answered = [
            method
            for method in METHODS
            if served.runner.run(slugs_of(served, method, raw)) == [] and "Server" not in method
        ]
        ends.append(bool(answered))
    assert sum(ends) >= len(VALID) - 1


@given(
    model=st.sampled_from(["encoder", "decoder", "sampler", "shifter", "x"]),
    body=mutated([BODY, BINARY_HEAD + bytes(16)]),
    length=st.none() | st.integers(0, 200) | st.just(len(BINARY_HEAD)),
)
@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_body_is_answered_or_refused_by_the_table(
    model: str, body: bytes, length: int | None, served: Served
) -> None:
    headers = {} if length is None else {"Inference-Header-Content-Length": str(length)}

    async def ask() -> httpx.Response:
        app = create_app(served.runtime.settings, runtime=served.runtime)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(f"/v2/models/{model}/infer", content=body, headers=headers)

    answer = served.runner.run(ask())
    if answer.status_code != 200:
        said = answer.json()
        assert said["slug"] in MINE | {"unsupported_media_type"}
        assert ERRORS[said["slug"]].http_status == answer.status_code
        assert isinstance(said["error"], str)
    assert served.runtime.engine.admission.in_flight == 0

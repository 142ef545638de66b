"""The protocol over gRPC: raw and typed contents, metadata, streams, and every wrong request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pytest_asyncio

from inference.call import Call
from service.proto.oip import open_inference_pb2 as pb
from service.proto.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from tests.support.grpc_app import served_grpc, slug_of
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from service.runtime import Runtime

Pair = tuple[Any, "Runtime"]
ROWS = np.array([[0, 1, -1, 0.5]], np.float32)
TENSOR = pb.ModelInferRequest.InferInputTensor
OUTPUT = pb.ModelInferRequest.InferRequestedOutputTensor


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest_asyncio.fixture(name="app")
async def _app(bundle: Path) -> AsyncGenerator[Pair]:
    async with served_grpc(bundle, max_items=8) as (channel, runtime):
        yield GRPCInferenceServiceStub(channel), runtime


def latent(shape: tuple[int, ...] = (1, 4), **contents: Any) -> Any:
    typed = pb.InferTensorContents(**contents) if contents else None
    return TENSOR(name="latent", datatype="FP32", shape=shape, contents=typed)


def asked(*inputs: Any, model: str = "decoder", **fields: Any) -> pb.ModelInferRequest:
    return pb.ModelInferRequest(model_name=model, inputs=inputs, **fields)


def arrays_in(answer: pb.ModelInferResponse) -> dict[str, Any]:
    types = {"UINT8": "u1", "FP32": "<f4", "INT64": "<i8"}
    return {
        output.name: np.frombuffer(raw, types[output.datatype]).reshape(tuple(output.shape))
        for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True)
    }


RAW = asked(latent(), raw_input_contents=[ROWS.tobytes()], id="42")
TYPED = asked(latent(fp32_contents=ROWS.ravel().tolist()), model_version="1")


async def test_health_and_metadata(app: Pair) -> None:
    stub, runtime = app
    assert (await stub.ServerLive(pb.ServerLiveRequest())).live
    assert (await stub.ServerReady(pb.ServerReadyRequest())).ready
    server = await stub.ServerMetadata(pb.ServerMetadataRequest())
    assert (server.name, list(server.extensions)) == ("latentserve", ["binary_tensor_data"])
    for version in ("", "1"):
        model = await stub.ModelMetadata(pb.ModelMetadataRequest(name="shifter", version=version))
        assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [
            ("image", "UINT8", [-1, 16, 16, 3]),
            ("strengths", "FP32", [-1, 2]),
        ]
        assert model.parameters["attributes"].string_param == '["glasses","smile"]'
        ready = pb.ModelReadyRequest(name="shifter", version=version)
        assert (await stub.ModelReady(ready)).ready
    runtime.drain()
    assert (await stub.ServerLive(pb.ServerLiveRequest())).live
    assert not (await stub.ServerReady(pb.ServerReadyRequest())).ready
    assert not (await stub.ModelReady(pb.ModelReadyRequest(name="encoder"))).ready


async def test_raw_and_typed_contents_give_the_same(app: Pair) -> None:
    stub, runtime = app
    wanted = await runtime.engine.decode(ROWS, Call())
    raw, typed = await stub.ModelInfer(RAW), await stub.ModelInfer(TYPED)
    for answer in (raw, typed):
        assert np.array_equal(arrays_in(answer)["image"], wanted)
        assert (answer.model_name, answer.model_version) == ("decoder", "1")
    assert (raw.id, typed.id) == ("42", "")


async def test_only_the_outputs_asked_for(app: Pair) -> None:
    stub, _ = app
    image = TENSOR(
        name="image",
        datatype="UINT8",
        shape=[1, 16, 16, 3],
        contents=pb.InferTensorContents(uint_contents=[64] * 768),
    )
    one = await stub.ModelInfer(asked(image, model="encoder", outputs=[OUTPUT(name="logvar")]))
    assert list(arrays_in(one)) == ["logvar"]
    both = arrays_in(await stub.ModelInfer(asked(image, model="encoder")))
    assert list(both) == ["mean", "logvar"]
    assert both["mean"] == pytest.approx(4 * (64 / 255 - 0.5), abs=1e-5)


async def test_sampler_with_its_parameters(app: Pair) -> None:
    stub, runtime = app
    count = TENSOR(name="n", datatype="INT64", shape=[1])
    count.contents.int64_contents.append(2)
    seed = TENSOR(name="seed", datatype="INT64", shape=[1])
    seed.contents.int64_contents.append(7)
    request = asked(count, seed, model="sampler")
    request.parameters["prior"].string_param = "normal"
    request.parameters["priority"].uint64_param = 1
    found = arrays_in(await stub.ModelInfer(request))
    wanted = await runtime.engine.sample(2, Call(), seed=7, prior="normal")
    assert np.array_equal(found["image"], wanted.images)
    assert np.array_equal(found["latent"], wanted.latents)
    assert found["seed"] == [7]


def _with(request: pb.ModelInferRequest, **changes: Any) -> pb.ModelInferRequest:
    changed = pb.ModelInferRequest()
    changed.CopyFrom(request)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def _parameter(name: str, **value: Any) -> pb.ModelInferRequest:
    request = _with(RAW)
    request.parameters[name].CopyFrom(pb.InferParameter(**value))
    return request


SHARED = TENSOR(name="latent", datatype="FP32", shape=[1, 4])
SHARED.parameters["shared_memory_region"].string_param = "a"
CLASSES = OUTPUT(name="image")
CLASSES.parameters["classification"].int64_param = 1
PIXEL = TENSOR(
    name="image",
    datatype="UINT8",
    shape=[1, 16, 16, 3],
    contents=pb.InferTensorContents(uint_contents=[256] * 768),
)
WRONG: dict[str, tuple[pb.ModelInferRequest, str]] = {
    "model": (_with(RAW, model_name="decodr"), "model_not_found"),
    "version": (_with(RAW, model_version="2"), "model_not_found"),
    "no input": (asked(), "invalid_request"),
    "two raw for one": (asked(latent(), raw_input_contents=[b"", b""]), "invalid_request"),
    "raw without input": (asked(raw_input_contents=[b""]), "invalid_request"),
    "raw too short": (asked(latent(), raw_input_contents=[bytes(15)]), "invalid_request"),
    "both": (
        asked(latent(fp32_contents=[0] * 4), raw_input_contents=[bytes(16)]),
        "invalid_request",
    ),
    "no contents": (asked(latent()), "invalid_request"),
    "another field": (asked(latent(fp64_contents=[0] * 4)), "invalid_request"),
    "two fields": (
        asked(latent(fp32_contents=[0] * 4, bool_contents=[True])),
        "invalid_request",
    ),
    "too few": (asked(latent(fp32_contents=[0] * 3)), "invalid_request"),
    "NaN": (asked(latent(fp32_contents=[float("nan"), 0, 0, 0])), "invalid_request"),
    "shape": (asked(latent((2, 2), fp32_contents=[0] * 4)), "shape_mismatch"),
    "negative": (asked(latent((-1, -4), fp32_contents=[0] * 4)), "shape_mismatch"),
    "huge": (asked(latent((2**62, 4), fp32_contents=[0] * 4)), "too_many_items"),
    "empty": (asked(latent((0, 4))), "invalid_request"),
    "twice": (
        asked(latent(fp32_contents=[0] * 4), latent(fp32_contents=[0] * 4)),
        "invalid_request",
    ),
    "no grey level": (asked(PIXEL, model="encoder"), "invalid_request"),
    "shared memory": (asked(SHARED), "invalid_request"),
    "classification": (
        asked(latent(fp32_contents=[0] * 4), outputs=[CLASSES]),
        "invalid_request",
    ),
    "output": (
        asked(latent(fp32_contents=[0] * 4), outputs=[OUTPUT(name="x")]),
        "invalid_request",
    ),
    "unknown parameter": (_parameter("prior", string_param="normal"), "invalid_request"),
    "parameter of nothing": (_parameter("timeout"), "ok"),
    "time out": (_parameter("timeout", int64_param=1), "deadline_exceeded"),
    "time out of another type": (_parameter("timeout", string_param="1"), "invalid_request"),
    "tolerated": (_parameter("triton_enable_empty_final_response", bool_param=False), "ok"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_request_has_its_slug(case: str, app: Pair) -> None:
    request, slug = WRONG[case]
    assert await slug_of(app[0].ModelInfer(request)) == slug
    assert app[1].engine.admission.in_flight == 0


async def test_a_stream_answers_in_order_with_messages_for_failures(app: Pair) -> None:
    wrong = _with(RAW, model_name="x", id="w")
    answers = [answer async for answer in app[0].ModelStreamInfer(iter([RAW, wrong, TYPED]))]
    assert [bool(answer.error_message) for answer in answers] == [False, True, False]
    assert answers[1].error_message.startswith("model_not_found: no model 'x'")
    assert [answer.infer_response.id for answer in answers] == ["42", "w", ""]


async def test_metadata_of_what_is_not_there(app: Pair) -> None:
    stub, _ = app
    for name, version in (("x", ""), ("encoder", "9")):
        asked_for = pb.ModelMetadataRequest(name=name, version=version)
        assert await slug_of(stub.ModelMetadata(asked_for)) == "model_not_found"
        ready = pb.ModelReadyRequest(name=name, version=version)
        assert await slug_of(stub.ModelReady(ready)) == "model_not_found"

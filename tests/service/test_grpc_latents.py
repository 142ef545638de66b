"""`latentserve.v1`: each method against the engine, in every format, and every wrong request."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from inference.call import Call
from inference.errors import ERRORS
from service.proto.latentserve.v1 import latents_pb2 as pb
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from tests.support.grpc_app import served_grpc, slug_of
from tests.support.tiny_bundle import banded_image, write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from numpy.typing import NDArray

    from service.runtime import Runtime

Pair = tuple[Any, "Runtime"]
RAW = pb.IMAGE_FORMAT_PIXELS
ROWS = np.array([[0, 1, -1, 0.5], [2, -2, 0, 1]], np.float32)
MATRIX = pb.Matrix(rows=2, columns=4, data=ROWS.tobytes())
PICTURES = np.stack([banded_image([0, 85, 170, 255]), banded_image([64, 64, 64, 64])])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest_asyncio.fixture(name="app")
async def _app(bundle: Path) -> AsyncGenerator[Pair]:
    async with served_grpc(bundle, max_items=8) as (channel, runtime):
        yield LatentsStub(channel), runtime


def png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def pixels_in(images: pb.Images) -> NDArray[np.uint8]:
    return np.frombuffer(images.pixels.data, np.uint8).reshape(tuple(images.pixels.shape))


def rows_in(matrix: pb.Matrix) -> NDArray[np.float32]:
    return np.frombuffer(matrix.data, "<f4").reshape(matrix.rows, matrix.columns)


def raw(images: NDArray[np.uint8] = PICTURES) -> pb.Images:
    return pb.Images(pixels=pb.Pixels(shape=images.shape, data=images.tobytes()))


FILES = pb.Images(files=[png(image) for image in PICTURES])


async def test_encode_files_and_arrays(app: Pair) -> None:
    stub, runtime = app
    encoded = await runtime.engine.encode(PICTURES, Call())
    larger = pb.Images(files=[png(image.repeat(3, 0).repeat(3, 1)) for image in PICTURES])
    for images in (FILES, raw(), larger):
        answer = await stub.Encode(pb.EncodeRequest(images=images))
        # Where two bands meet, a picture made smaller mixes them.
        near = 0.05 if images is larger else 1e-5
        assert rows_in(answer.mean) == pytest.approx(encoded.mean, abs=near)
        assert (rows_in(answer.logvar) == -4).all()


async def test_a_model_without_logvar_gives_none(
    app: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, runtime = app
    encode = runtime.engine.encode

    async def plain(images: Any, call: Call) -> Any:
        encoded = await encode(images, call)
        return type(encoded)(encoded.mean, None)

    monkeypatch.setattr(runtime.engine, "encode", plain)
    answer = await stub.Encode(pb.EncodeRequest(images=raw()))
    assert answer.HasField("mean")
    assert not answer.HasField("logvar")


@pytest.mark.parametrize("name", ["UNSPECIFIED", "PNG", "JPEG", "WEBP", "PIXELS"])
async def test_decode_into_every_format(name: str, app: Pair) -> None:
    stub, runtime = app
    wanted = await runtime.engine.decode(ROWS, Call())
    asked = pb.ImageFormat.Value(f"IMAGE_FORMAT_{name}")
    images = (await stub.Decode(pb.DecodeRequest(latents=MATRIX, format=asked))).images
    if asked == RAW:
        found = pixels_in(images)
    else:
        found = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in images.files])
    assert found.shape == wanted.shape
    exact = name not in {"JPEG", "WEBP"}
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= (0 if exact else 40)


async def test_sample_and_its_seed(app: Pair) -> None:
    stub, runtime = app
    asked = pb.SampleRequest(
        n=3, seed=7, temperature=0.5, prior=pb.PRIOR_NORMAL, attributes={"smile": 1}, format=RAW
    )
    answer = await stub.Sample(asked)
    wanted = await runtime.engine.sample(
        3, Call(), seed=7, temperature=0.5, prior="normal", strengths={"smile": 1}
    )
    assert np.array_equal(pixels_in(answer.images), wanted.images)
    assert np.array_equal(rows_in(answer.latents), wanted.latents)
    drawn = await stub.Sample(pb.SampleRequest(format=RAW))
    assert drawn.images.pixels.shape[0] == 1
    again = await stub.Sample(pb.SampleRequest(seed=drawn.seed, format=RAW))
    assert again == drawn


async def test_shift_images_and_latents(app: Pair) -> None:
    stub, runtime = app
    strengths = {"glasses": 1.0, "smile": -0.5}
    by_image = await stub.Shift(pb.ShiftRequest(images=FILES, attributes=strengths, format=RAW))
    wanted = await runtime.engine.shift(Call(), images=PICTURES, strengths=strengths)
    assert np.array_equal(pixels_in(by_image.images), wanted.images)
    by_latent = await stub.Shift(pb.ShiftRequest(latents=MATRIX, attributes=strengths, format=RAW))
    moved = await runtime.engine.shift(Call(), latents=ROWS, strengths=strengths)
    assert np.array_equal(rows_in(by_latent.latents), moved.latents)


async def test_reconstruct(app: Pair) -> None:
    answer = await app[0].Reconstruct(pb.ReconstructRequest(images=raw(), format=RAW))
    assert np.array_equal(pixels_in(answer.images), PICTURES)


@pytest.mark.parametrize(("path", "word"), [("LINEAR", "linear"), ("SPHERICAL", "spherical")])
async def test_interpolate(path: str, word: Any, app: Pair) -> None:
    stub, runtime = app
    asked = pb.InterpolateRequest(
        latents=MATRIX, steps=5, path=pb.Path.Value(f"PATH_{path}"), format=RAW
    )
    answer = await stub.Interpolate(asked)
    wanted = await runtime.engine.interpolate(Call(), latents=ROWS, steps=5, path=word)
    assert np.array_equal(pixels_in(answer.images), wanted.images)
    by_image = await stub.Interpolate(pb.InterpolateRequest(images=raw(), steps=2, format=RAW))
    assert np.array_equal(pixels_in(by_image.images), PICTURES)


async def test_the_model(app: Pair) -> None:
    model = await app[0].GetModel(pb.GetModelRequest())
    assert (model.name, model.version) == ("tiny", "1")
    assert (model.height, model.width, model.channels, model.latent_dimension) == (16, 16, 3, 4)
    assert [(a.name, a.useful_low, a.useful_high) for a in model.attributes] == [
        ("glasses", -2, 2),
        ("smile", -2, 2),
    ]
    assert model.limits.max_items == 8


def latents(*values: float) -> pb.Matrix:
    return pb.Matrix(rows=1, columns=len(values), values=values)


FOUR = latents(0, 0, 0, 0)
WRONG: dict[str, tuple[str, Any, str]] = {
    "no images": ("Encode", pb.EncodeRequest(), "invalid_request"),
    "text": ("Encode", pb.EncodeRequest(images=pb.Images(files=[b"x"])), "unsupported_media_type"),
    "cut short": (
        "Encode",
        pb.EncodeRequest(images=pb.Images(files=[png(PICTURES[0])[:-30]])),
        "invalid_image",
    ),
    "too many files": (
        "Encode",
        pb.EncodeRequest(images=pb.Images(files=[b"x"] * 9)),
        "too_many_items",
    ),
    "five channels": (
        "Encode",
        pb.EncodeRequest(images=pb.Images(pixels=pb.Pixels(shape=[1, 1, 5], data=bytes(5)))),
        "shape_mismatch",
    ),
    "no latents": ("Decode", pb.DecodeRequest(), "invalid_request"),
    "three": ("Decode", pb.DecodeRequest(latents=latents(1, 2, 3)), "shape_mismatch"),
    "NaN": ("Decode", pb.DecodeRequest(latents=latents(0, 0, 0, float("nan"))), "invalid_request"),
    "infinity": (
        "Decode",
        pb.DecodeRequest(latents=latents(0, 0, 0, float("inf"))),
        "invalid_request",
    ),
    "format": ("Decode", pb.DecodeRequest(latents=FOUR, format=77), "invalid_request"),
    "n of 0": ("Sample", pb.SampleRequest(n=0), "invalid_request"),
    "n of 9": ("Sample", pb.SampleRequest(n=9), "too_many_items"),
    "seed": ("Sample", pb.SampleRequest(seed=-1), "invalid_request"),
    "hot": ("Sample", pb.SampleRequest(temperature=2.5), "invalid_request"),
    "no temperature": ("Sample", pb.SampleRequest(temperature=float("nan")), "invalid_request"),
    "prior": ("Sample", pb.SampleRequest(prior=9), "invalid_request"),
    "attribute": (
        "Shift",
        pb.ShiftRequest(latents=FOUR, attributes={"smil": 1}),
        "unknown_attribute",
    ),
    "strength": (
        "Shift",
        pb.ShiftRequest(latents=FOUR, attributes={"smile": 11}),
        "invalid_request",
    ),
    "no strength": (
        "Shift",
        pb.ShiftRequest(latents=FOUR, attributes={"smile": float("nan")}),
        "invalid_request",
    ),
    "nothing to shift": ("Shift", pb.ShiftRequest(attributes={"smile": 1}), "invalid_request"),
    "nothing to rebuild": ("Reconstruct", pb.ReconstructRequest(), "invalid_request"),
    "no ends": ("Interpolate", pb.InterpolateRequest(steps=3), "invalid_request"),
    "one end": ("Interpolate", pb.InterpolateRequest(latents=FOUR, steps=3), "invalid_request"),
    "one step": ("Interpolate", pb.InterpolateRequest(latents=MATRIX, steps=1), "invalid_request"),
    "nine steps": ("Interpolate", pb.InterpolateRequest(latents=MATRIX, steps=9), "too_many_items"),
    "huge steps": (
        "Interpolate",
        pb.InterpolateRequest(latents=MATRIX, steps=2**32 - 1),
        "too_many_items",
    ),
    "path": (
        "Interpolate",
        pb.InterpolateRequest(latents=MATRIX, steps=3, path=9),
        "invalid_request",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_request_has_its_slug(case: str, app: Pair) -> None:
    method, asked, slug = WRONG[case]
    assert await slug_of(getattr(app[0], method)(asked)) == slug
    assert app[1].engine.admission.in_flight == 0


async def test_a_stream_answers_in_order_and_goes_on_after_failures(app: Pair) -> None:
    stub, runtime = app

    async def requests() -> AsyncGenerator[pb.DecodeRequest]:
        for number in range(60):
            matrix = (
                latents(number / 30, 0, 0) if number % 5 == 0 else latents(number / 30, 0, 0, 0)
            )
            yield pb.DecodeRequest(latents=matrix, format=RAW)

    number = 0
    async for answer in stub.DecodeStream(requests()):
        if number % 5 == 0:
            failure = answer.failure
            assert (failure.slug, failure.status) == ("shape_mismatch", 3)
            assert "[N, 4]" in failure.message
            assert not failure.HasField("retry_after_s")
        else:
            row = np.array([[number / 30, 0, 0, 0]], np.float32)
            wanted = await runtime.engine.decode(row, Call())
            assert np.array_equal(pixels_in(answer.answer.images), wanted)
        number += 1
    assert number == 60
    sample = runtime.telemetry.registry.get_sample_value
    labels = {"route": "/latentserve.v1.Latents/DecodeStream", "status": "OK", "slug": "ok"}
    assert sample("latentserve_requests_total", labels) == 48


async def test_the_other_streams(app: Pair) -> None:
    stub, runtime = app
    strengths = {"glasses": 1.0}
    shift = pb.ShiftRequest(images=FILES, attributes=strengths, format=RAW)
    wrong = pb.ShiftRequest(images=FILES, attributes={"glases": 1.0})
    answers = [answer async for answer in stub.ShiftStream(iter([shift, wrong, shift]))]
    wanted = await runtime.engine.shift(Call(), images=PICTURES, strengths=strengths)
    for answer in (answers[0], answers[2]):
        assert np.array_equal(pixels_in(answer.answer.images), wanted.images)
    assert answers[1].failure.slug == "unknown_attribute"
    encodings = [
        answer
        async for answer in stub.EncodeStream(
            iter([pb.EncodeRequest(images=raw()), pb.EncodeRequest()])
        )
    ]
    assert rows_in(encodings[0].answer.mean).shape == (2, 4)
    assert encodings[1].failure.slug == "invalid_request"


async def test_bytes_that_are_no_message_do_not_end_a_stream(app: Pair) -> None:
    stub, _ = app
    # Any serializer will do for the channel, so this one lets bytes through.
    asked = pb.DecodeRequest(latents=FOUR, format=RAW).SerializeToString()
    call = stub.DecodeStream
    call._request_serializer = lambda data: data
    answers = [answer async for answer in call(iter([asked, b"\xff", asked]))]
    kinds = [answer.WhichOneof("outcome") for answer in answers]
    assert kinds == ["answer", "failure", "answer"]
    assert answers[1].failure.slug == "invalid_request"


async def test_a_full_queue_says_when_to_come_back(bundle: Path) -> None:
    async with served_grpc(bundle, max_items=4, max_queue_size=4, threads=1) as (channel, _):
        stub = LatentsStub(channel)
        asked = pb.DecodeRequest(latents=pb.Matrix(rows=4, columns=4, values=[0] * 16), format=RAW)
        slugs = await asyncio.gather(*(slug_of(stub.Decode(asked)) for _ in range(80)))
        assert set(slugs) == {"ok", "queue_full"}
        assert ERRORS["queue_full"].grpc_status == "RESOURCE_EXHAUSTED"

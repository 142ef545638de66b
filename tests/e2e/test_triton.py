"""NVIDIA's client for the Open Inference Protocol against a real server, as it is."""

from __future__ import annotations

import asyncio
import queue
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_grpc_aio
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_http_aio
from tritonclient.utils import InferenceServerException

from tests.support.server import Server, running
from tests.support.tiny_bundle import banded_image, write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

ROWS = np.array([[0, 1, -1, 0.5], [2, -2, 0, 1]], np.float32)
PICTURES = np.stack([banded_image([0, 85, 170, 255]), banded_image([64, 64, 64, 64])])
DATATYPES = {"uint8": "UINT8", "float32": "FP32", "int64": "INT64"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("triton") / "tiny")
    with running(bundle, "--device", "cpu", "--max-items", "64") as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(kind: str, server: Server) -> Generator[Any]:
    with connect(kind, server) as client:
        yield client


def connect(kind: str, server: Server) -> Any:
    if kind == "grpc":
        return triton_grpc.InferenceServerClient(server.grpc)
    return triton_http.InferenceServerClient(server.url.removeprefix("http://"), concurrency=8)


def module_of(client: Any) -> Any:
    return triton_grpc if "grpc" in type(client).__module__ else triton_http


def tensor(client: Any, name: str, array: NDArray[Any], *, binary: bool = True) -> Any:
    module = module_of(client)
    given = module.InferInput(name, list(array.shape), DATATYPES[str(array.dtype)])
    if module is triton_http:
        given.set_data_from_numpy(array, binary_data=binary)
    else:
        given.set_data_from_numpy(array)
    return given


def decode(client: Any, rows: NDArray[np.float32] = ROWS, **options: Any) -> Any:
    return client.infer("decoder", [tensor(client, "latent", rows)], **options)


def bands(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The grey level of each band of the picture of each latent."""
    return np.clip((rows / 4 + 0.5) * 255, 0, 255)


def check_pictures(found: NDArray[np.uint8], rows: NDArray[np.float32]) -> None:
    assert found.dtype == np.uint8
    assert found[:, ::4, 0, 0] == pytest.approx(bands(rows), abs=0.51)


def test_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    for name in ("encoder", "decoder", "sampler", "shifter"):
        assert client.is_model_ready(name)
        assert client.is_model_ready(name, "1")
    as_json = {"as_json": True} if module_of(client) is triton_grpc else {}
    server = client.get_server_metadata(**as_json)
    assert server["name"] == "latentserve"
    model = client.get_model_metadata("encoder", **as_json)
    assert (model["name"], model["versions"]) == ("encoder", ["1"])
    assert [given["name"] for given in model["inputs"]] == ["image"]
    assert [given["name"] for given in model["outputs"]] == ["mean", "logvar"]
    assert [int(size) for size in model["inputs"][0]["shape"]] == [-1, 16, 16, 3]


def test_each_model(client: Any) -> None:
    check_pictures(decode(client).as_numpy("image"), ROWS)
    encoded = client.infer("encoder", [tensor(client, "image", PICTURES)], request_id="a-1")
    assert encoded.as_numpy("mean")[1] == pytest.approx(4 * (64 / 255 - 0.5), abs=1e-5)
    assert (encoded.as_numpy("logvar") == -4).all()
    response = encoded.get_response()
    assert (response["id"] if isinstance(response, dict) else response.id) == "a-1"
    strengths = np.array([[1, 0]], np.float32)
    inputs = [tensor(client, "image", PICTURES), tensor(client, "strengths", strengths)]
    shifted = client.infer("shifter", inputs)
    moved = encoded.as_numpy("mean") + np.array([1, 0, 0, 0])
    assert shifted.as_numpy("latent") == pytest.approx(moved, abs=1e-5)
    inputs = [tensor(client, "n", np.array([2])), tensor(client, "seed", np.array([7]))]
    parameters = {"prior": "normal"}
    one = client.infer("sampler", inputs, parameters=parameters)
    two = client.infer("sampler", inputs, parameters=parameters, model_version="1")
    assert np.array_equal(one.as_numpy("image"), two.as_numpy("image"))
    assert one.as_numpy("seed") == [7]


def test_requested_outputs(client: Any) -> None:
    outputs = [module_of(client).InferRequestedOutput("logvar")]
    encoded = client.infer("encoder", [tensor(client, "image", PICTURES)], outputs=outputs)
    assert encoded.as_numpy("logvar").shape == (2, 4)
    assert encoded.as_numpy("mean") is None


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_both_forms_of_data_over_http(
    binary_in: bool,
    binary_out: bool | None,
    server: Server,
) -> None:
    with connect("http", server) as client:
        outputs = None
        if binary_out is not None:
            outputs = [triton_http.InferRequestedOutput("image", binary_data=binary_out)]
        given = tensor(client, "latent", ROWS, binary=binary_in)
        answer = client.infer("decoder", [given], outputs=outputs)
        check_pictures(answer.as_numpy("image"), ROWS)
        head = answer.get_output("image")
        assert ("data" in head) == (binary_out is False)


def test_many_at_once(client: Any) -> None:
    rows = [np.full((1, 4), number / 20 - 2, np.float32) for number in range(80)]
    if module_of(client) is triton_http:
        pending = [client.async_infer("decoder", [tensor(client, "latent", row)]) for row in rows]
        answers = [request.get_result() for request in pending]
    else:
        done: queue.Queue[Any] = queue.Queue()

        def keep(number: int, result: Any, error: Any) -> None:
            done.put((number, result, error))

        for number, row in enumerate(rows):
            client.async_infer(
                "decoder", [tensor(client, "latent", row)], callback=partial(keep, number)
            )
        came = sorted((done.get(timeout=20) for _ in rows), key=lambda item: item[0])
        assert not any(error for *_, error in came)
        answers = [result for _, result, _ in came]
    for row, answer in zip(rows, answers, strict=True):
        check_pictures(answer.as_numpy("image"), row)


@pytest.mark.parametrize("kind", ["http", "grpc"])
async def test_many_at_once_with_asyncio(kind: str, server: Server) -> None:
    if kind == "grpc":
        connected: Any = triton_grpc_aio.InferenceServerClient(server.grpc)
    else:
        connected = triton_http_aio.InferenceServerClient(server.url.removeprefix("http://"))
    async with connected as client:
        assert await client.is_server_ready()
        assert not await client.is_model_ready("decodr") if kind == "http" else True

        async def one(number: int) -> None:
            row = np.full((1, 4), number / 20 - 2, np.float32)
            answer = await client.infer("decoder", [tensor(client, "latent", row)])
            check_pictures(answer.as_numpy("image"), row)

        await asyncio.gather(*(one(number) for number in range(80)))
        with pytest.raises(InferenceServerException, match="no model 'decodr'"):
            await client.infer("decodr", [tensor(client, "latent", ROWS)])


def test_a_stream_over_grpc(server: Server) -> None:
    came: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with connect("grpc", server) as client:
        client.start_stream(callback=lambda result, error: came.put((result, error)))
        for number in range(20):
            name = "decoder" if number % 5 else "decodr"
            given = tensor(client, "latent", np.full((1, 4), number / 10, np.float32))
            client.async_stream_infer(name, [given], request_id=str(number))
        for number in range(20):
            result, error = came.get(timeout=20)
            if number % 5:
                assert result.get_response().id == str(number)
                row = np.full((1, 4), number / 10, np.float32)
                check_pictures(result.as_numpy("image"), row)
            else:
                assert "model_not_found: no model 'decodr'" in error.message()
        client.stop_stream()


WRONG: dict[str, tuple[str, str, NDArray[Any], str, str, str]] = {
    "model": ("decodr", "latent", ROWS, "", "404", "did you mean 'decoder'"),
    "version": ("decoder", "latent", ROWS, "7", "404", "no version '7'"),
    "name": ("decoder", "latents", ROWS, "", "400", "it has latent"),
    "shape": ("decoder", "latent", ROWS[:, :3], "", "422", r"[2, 3]"),
    "axes": ("decoder", "latent", ROWS[0], "", "422", r"[4]"),
    "datatype": ("decoder", "latent", ROWS.astype(np.int64), "", "422", "INT64"),
    "too many": ("decoder", "latent", np.zeros((65, 4), np.float32), "", "413", "limit is 64"),
    "not a number": ("decoder", "latent", ROWS * np.nan, "", "400", "row 0, column 0"),
}
STATUS = {"404": "NOT_FOUND", "400": "INVALID_ARGUMENT"}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_shows_its_message(case: str, client: Any) -> None:
    model, name, array, version, status, words = WRONG[case]
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [tensor(client, name, array)], model_version=version)
    assert words in caught.value.message()
    if module_of(client) is triton_http:
        assert caught.value.status() == status
    else:
        wanted = STATUS.get(status, "INVALID_ARGUMENT")
        assert caught.value.status() == f"StatusCode.{wanted}"
    # What it prints is one line that a person can read.
    assert str(caught.value).startswith("[")


def test_a_deadline_that_is_too_short(client: Any) -> None:
    options = {"client_timeout": 1e-6} if module_of(client) is triton_grpc else {"timeout": 1}
    with pytest.raises(InferenceServerException, match=r"(?i)deadline"):
        decode(client, **options)

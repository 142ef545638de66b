"""A real server: the endpoints through real clients, every bad input, many callers, its end."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import io
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import bentoml
import grpc
import httpx
import numpy as np
import orjson
import pytest
from bentoml.exceptions import BentoMLException
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from PIL import Image

from service.proto.latentserve.v1.latents_pb2 import IMAGE_FORMAT_PIXELS, SampleRequest
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from tests.support.server import Server, running, wait_until_ready
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

LATENTS = [[0.0, 1.0, -1.0, 0.5]]
NPY = {"Accept": "application/x-npy"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("e2e") / "tiny")


@pytest.fixture(scope="module")
def server(bundle: Path) -> Generator[Server]:
    with running(bundle, "--device", "cpu") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Generator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def picture(grey: int, size: int = 16) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (grey, grey, grey)).save(buffer, "PNG")
    return buffer.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A few bytes that say they are a PNG of ``width`` × ``height`` grey pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def shape_of(response: httpx.Response) -> tuple[int, ...]:
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content))).shape


def test_one_line_when_ready(server: Server) -> None:
    assert server.line.startswith(f"latentserve ready at {server.url}, gRPC ")
    assert "| model tiny 1 | device cpu" in server.line
    assert "256 items" in server.line


def test_the_five_routes(client: httpx.Client) -> None:
    image = {"image": picture(64)}
    encoded = client.post("/v1/encode", files=image).json()
    assert np.allclose(encoded["mean"], 4 * (64 / 255 - 0.5), atol=1e-5)
    assert shape_of(client.post("/v1/decode", json={"latents": encoded["mean"]})) == (16, 16, 3)
    sampled = client.post("/v1/sample", json={"n": 4, "seed": 7, "columns": 4})
    assert shape_of(sampled)[1] > 4 * 16
    assert sampled.headers["x-seed"] == "7"
    shifted = client.post("/v1/shift", files=image, data={"attributes": '{"smile": 1}'})
    assert shape_of(shifted) == (16, 16, 3)
    rebuilt = client.post("/v1/reconstruct", files=image)
    assert (np.asarray(Image.open(io.BytesIO(rebuilt.content))) == 64).all()


def test_bentomls_own_client(server: Server, client: httpx.Client) -> None:
    pixels = np.full((2, 16, 16, 3), 64, np.uint8)
    with bentoml.SyncHTTPClient(server.url) as bento, bento._temp_dir:
        encoded = bento.encode(images=pixels)
        assert encoded["mean"].shape == encoded["logvar"].shape == (2, 4)
        assert (bento.decode(latents=encoded["mean"]) == 64).all()
        sampled = bento.sample(n=3, seed=7, temperature=0.5)
        shifted = bento.shift(attributes={"smile": 1.0}, latents=LATENTS)
        assert (bento.shift(attributes={}, images=pixels[0]) == 64).all()
        with pytest.raises(BentoMLException, match="did you mean 'smile'"):
            bento.shift(attributes={"smil": 1.0}, latents=LATENTS)
    body = {"n": 3, "seed": 7, "temperature": 0.5}
    same = client.post("/v1/sample", json=body, headers=NPY)
    assert (np.load(io.BytesIO(same.content)) == sampled).all()
    body = {"latents": LATENTS, "attributes": {"smile": 1}}
    same = client.post("/v1/shift", json=body, headers=NPY)
    assert (np.load(io.BytesIO(same.content)) == shifted).all()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/encode", b'{"images": [[[["x"]]]]}', 400),
        ("/encode", b'{"images": [[[[256]]]]}', 400),
        ("/encode", b'{"images": [[[[0.5]]]]}', 400),
        ("/encode", b"{", 400),
        ("/decode", b'{"latents": [[1, 2]]}', 422),
        ("/decode", b'{"latents": [[1e999, 0, 0, 0]]}', 400),
        ("/sample", b'{"n": 257}', 413),
        ("/sample", b'{"n": "many"}', 400),
        ("/shift", b'{"attributes": {"smil": 1}, "latents": [[0, 0, 0, 0]]}', 404),
        ("/shift", b'{"attributes": {}}', 400),
    ],
)
def test_bentomls_endpoints_refuse_in_the_envelope(
    path: str, body: bytes, status: int, client: httpx.Client
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post(path, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert set(answer.json()["error"]) >= {"slug", "message", "request_id"}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b'{"latents": [[0, 0, 0, %s]]}' % (b"9" * 400), "application/json"),
        (b'{"latents": [[0, 0, 0, %s]]}' % (b"9" * 5000), "application/json"),
        (b"no part", "multipart/form-data"),
        (b"no part", "multipart/form-data; boundary=x"),
    ],
)
def test_bentomls_endpoints_call_a_body_that_they_cannot_read_the_callers_fault(
    body: bytes, media_type: str, client: httpx.Client
) -> None:
    answer = client.post("/decode", content=body, headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["error"]["slug"]) == (400, "invalid_request")


def test_a_head_without_an_end_is_cut_off(server: Server) -> None:
    url = httpx.URL(server.url)
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ")
        with pytest.raises(ConnectionError):
            connection.sendall(b"y" * (64 << 20))
    assert httpx.get(f"{server.url}/livez").is_success


def test_pickle_is_refused(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/vnd.bentoml+pickle"}
    assert client.post("/sample", content=b"\x80", headers=headers).status_code == 415


def _cut() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()[:-300]


JSON = {"Content-Type": "application/json"}
PNG = {"Content-Type": "image/png"}
BAD: dict[str, tuple[str, bytes, dict[str, str], int, str, tuple[str, ...]]] = {
    "truncated PNG": ("encode", _cut(), PNG, 400, "invalid_image", ("cut short", "whole file")),
    "60-megapixel bomb": (
        "encode",
        bomb(10_000, 6_000),
        PNG,
        400,
        "invalid_image",
        ("10000", "6000", "16", "max_image_pixels"),
    ),
    "text as image": ("encode", b"hello", PNG, 415, "unsupported_media_type", ("PNG",)),
    "empty body": ("encode", b"", PNG, 400, "invalid_request", ("empty", "send images")),
    "wrong length": (
        "decode",
        b'{"latents": [[1, 2, 3]]}',
        JSON,
        422,
        "shape_mismatch",
        ("row 0", "3", "4", "/v1/model"),
    ),
    "NaN": ("decode", b'{"latents": [[NaN, 0, 0, 0]]}', JSON, 400, "invalid_request", ("NaN",)),
    "infinity": (
        "decode",
        b'{"latents": [[0, 1e999, 0, 0]]}',
        JSON,
        400,
        "invalid_request",
        ("infinity", "correct"),
    ),
    "a million latents": (
        "decode",
        b'{"latents": [' + b"[0,0,0,0]," * 999_999 + b"[0,0,0,0]]}",
        JSON,
        413,
        "too_many_items",
        ("1000002", "1280", "max_items"),
    ),
    "too many bytes": (
        "decode",
        b" " * ((32 << 20) + 1),
        JSON,
        413,
        "payload_too_large",
        ("33554433", "33554432", "max_body_bytes"),
    ),
    "unknown attribute": (
        "shift",
        b'{"latents": [[0, 0, 0, 0]], "attributes": {"glases": 1}}',
        JSON,
        404,
        "unknown_attribute",
        ("'glases'", "did you mean 'glasses'"),
    ),
    "malformed JSON": ("sample", b'{"n": ', JSON, 400, "invalid_request", ("line 1", "correct")),
    "content type": (
        "sample",
        b"n=1",
        {"Content-Type": "text/plain"},
        415,
        "unsupported_media_type",
        ("text/plain", "application/json"),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_input_is_explained_and_the_service_goes_on(case: str, client: httpx.Client) -> None:
    route, body, headers, status, slug, words = BAD[case]
    answer = client.post(f"/v1/{route}", content=body, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["slug"]) == (status, slug), error
    for word in words:
        assert word in error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert shape_of(client.post("/v1/decode", json={"latents": LATENTS})) == (16, 16, 3)


def test_unknown_route_and_wrong_method(client: httpx.Client) -> None:
    unknown = client.post("/v1/encodes")
    assert (unknown.status_code, unknown.json()["error"]["slug"]) == (404, "route_not_found")
    wrong = client.get("/v1/encode")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    hosted = client.get("/sample")
    assert (hosted.status_code, hosted.headers["allow"]) == (405, "POST")


def test_grpc_health_and_reflection(server: Server) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        listed = ProtoReflectionDescriptorDatabase(channel).get_services()
        assert {
            "grpc.health.v1.Health",
            "inference.GRPCInferenceService",
            "latentserve.v1.Latents",
        } <= set(listed)


def test_many_mixed_callers_are_batched_and_each_gets_its_own(server: Server) -> None:
    alone = {}
    with httpx.Client(base_url=server.url, timeout=20) as client:
        for seed in range(4):
            body = {"n": 2, "seed": seed}
            alone[seed] = client.post("/v1/sample", json=body, headers=NPY).content

    def one(i: int) -> int:
        with httpx.Client(base_url=server.url, timeout=20) as client:
            if i % 4 == 0:
                sampled = client.post("/v1/sample", json={"n": 2, "seed": i % 16 // 4}, headers=NPY)
                assert sampled.content == alone[i % 16 // 4]
            elif i % 4 == 1:
                answer = client.post("/v1/reconstruct", files={"image": picture(i)}, headers=NPY)
                assert (np.load(io.BytesIO(answer.content)) == i).all()
            elif i % 4 == 2:
                mean = client.post("/v1/encode", files={"image": picture(i)}).json()["mean"]
                assert np.allclose(mean, 4 * (i / 255 - 0.5), atol=1e-5)
            else:
                bad = client.post("/v1/decode", json={"latents": [[i]]})
                assert bad.status_code == 422
        return i

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        assert sorted(pool.map(one, range(192))) == list(range(192))
    with httpx.Client(base_url=server.url) as client:
        metrics = client.get("/metrics").text
    assert "latentserve_items_in_flight 0.0" in metrics
    assert 'latentserve_queue_items{graph="decoder"} 0.0' in metrics


def test_the_whole_tree_ends_and_a_request_that_was_accepted_is_answered(bundle: Path) -> None:
    body = orjson.dumps({"latents": LATENTS})
    head = (
        "POST /v1/decode HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with running(bundle, "--device", "cpu", "--shutdown-timeout-s", "10") as server:
        pids = _tree(server.process.pid)
        assert len(pids) > 2
        url = httpx.URL(server.url)
        with socket.create_connection((url.host, url.port), timeout=10) as connection:
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100")
            os.killpg(server.process.pid, signal.SIGINT)
            # gRPC tells when the worker has taken the signal in.
            _wait_until_not_serving(server)
            connection.sendall(body)
            answer = connection.recv(1000)
        printed, _ = server.process.communicate(timeout=20)
    assert answer.startswith(b"HTTP/1.1 200")
    assert (server.process.returncode, printed) == (0, "")
    assert not [pid for pid in pids if _alive(pid)]


def _bentoml_serve(bundle: Path, **more: str) -> tuple[int, subprocess.Popen[str]]:
    """BentoML's own command on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {"BUNDLE": str(bundle), "PORT": str(port), "GRPC_PORT": "0", "DEVICE": "cpu"}
    environment = {f"LATENTSERVE_{name}": value for name, value in {**settings, **more}.items()}
    return port, subprocess.Popen(
        [sys.executable, "-m", "bentoml", "serve", "service:LatentService", "--quiet"],
        env={**os.environ, **environment, "BENTOML_DO_NOT_TRACK": "True"},
        cwd=Path(__file__).resolve().parents[2],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_bentoml_serve_gives_the_same_service(bundle: Path, server: Server) -> None:
    port, process = _bentoml_serve(bundle)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
        with bentoml.SyncHTTPClient(url) as bento, bento._temp_dir:
            there = bento.sample(n=2, seed=5)
        with bentoml.SyncHTTPClient(server.url) as bento, bento._temp_dir:
            assert (bento.sample(n=2, seed=5) == there).all()
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_worker_that_cannot_start_ends_the_server(bundle: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(bundle, broken)
    (graph,) = broken.rglob("decoder.onnx")
    before = hashlib.sha256(graph.read_bytes()).hexdigest()
    graph.write_bytes(b"not onnx")
    manifest = graph.parent / "manifest.json"
    after = hashlib.sha256(graph.read_bytes()).hexdigest()
    manifest.write_text(manifest.read_text().replace(before, after))
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "cli.main", "serve", "--bundle", str(broken)),
            *("--port", "0", "--grpc-port", "0"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "the server ended while it started" in ended.stderr
    assert re.search(r"cannot start, so the server ends: .*decoder\.onnx cannot", ended.stderr)


def test_a_server_that_cannot_say_that_it_is_ready_ends(bundle: Path, tmp_path: Path) -> None:
    _, process = _bentoml_serve(bundle, READY_FILE=str(tmp_path / "gone" / "ready"))
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait(30)
    assert "nobody can be told that the server is ready, so it ends" in said


def test_two_workers_give_the_same_images(bundle: Path) -> None:
    with running(bundle, "--device", "cpu", "--workers", "2", "--threads", "1") as server:
        assert len(_workers(server)) == 2
        assert len({_images_over_both(server) for _ in range(12)}) == 1
        with contextlib.ExitStack() as stack:
            callers = [stack.enter_context(httpx.Client(base_url=server.url)) for _ in range(8)]
            # Neither worker has many more of the connections than the other.
            assert max(Counter(map(_answering, callers)).values()) <= 6
        assert server.stop()[0] == 0


def test_while_a_lost_worker_starts_anew_the_other_answers_everybody(bundle: Path) -> None:
    with running(bundle, "--device", "cpu", "--workers", "2", "--threads", "1") as server:
        lost, kept = _workers(server)
        os.kill(lost, signal.SIGKILL)
        _until(lambda: lost not in _workers(server))
        images = _images_over_both(server)
        # The new one opens its ports some time in this loop, and nobody meets it before.
        with httpx.Client(base_url=server.url) as first:
            assert _answering(first) == kept
            # The kept one has this connection already, so the next one goes to the new one.
            _until(lambda: _images_over_both(server) == images and _answering_anew(server) != kept)


def _images_over_both(server: Server) -> bytes:
    """The same sample over HTTP and gRPC, on new connections, which any worker may take."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        answer = client.post("/v1/sample", json={"n": 2, "seed": 3}, headers=NPY)
        assert answer.status_code == 200, answer.text
    asked = SampleRequest(n=2, seed=3, format=IMAGE_FORMAT_PIXELS)
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(server.grpc, options=options) as channel:
        images = LatentsStub(channel).Sample(asked, timeout=20).images.pixels.data
    assert answer.content.endswith(images)
    return images


def _answering(client: httpx.Client) -> int:
    """The process at the other end of the client's connection."""
    found = re.search(r'worker_info\{pid="(\d+)"', client.get("/metrics").text)
    assert found is not None
    return int(found.group(1))


def _answering_anew(server: Server) -> int:
    """The process that answers a new connection."""
    with httpx.Client(base_url=server.url) as client:
        return _answering(client)


def _until(true: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.02)


def _wait_until_not_serving(server: Server) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        watched = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=10
        )
        for answer in watched:
            if answer.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                return
    raise AssertionError("gRPC health never left SERVING")


def _workers(server: Server) -> list[int]:
    """All processes below the command and BentoML's supervisor."""
    return _tree(server.process.pid)[2:]


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
        found += [int(child) for child in children.split()]
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

"""A real server with keys and TLS: real clients over HTTP and gRPC, revocation while it runs."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import bentoml
import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service.keys import new_key
from service.proto.latentserve.v1.latents_pb2 import GetModelRequest
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from tests.support.certificates import Files, issue
from tests.support.server import running, wait_until_ready
from tests.support.tiny_bundle import write_tiny_bundle

SHOP, SHOP_KEY = new_key("shop")
LATE, LATE_KEY = new_key("late")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("e2e") / "tiny")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return issue(tmp_path_factory.mktemp("tls") / "ours")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def status_within(url: str, key: str, wanted: int, trust: ssl.SSLContext) -> int:
    """The last status of /v1/model, asked until it is ``wanted`` or ten seconds have passed."""
    deadline, status = time.monotonic() + 10, 0
    with httpx.Client(verify=trust, headers=bearer(key), timeout=10) as client:
        while time.monotonic() < deadline and status != wanted:
            status = client.get(f"{url}/v1/model").status_code
            time.sleep(0.1)
    return status


def test_keys_and_tls_together(bundle: Path, files: Files, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(SHOP_KEY.line())
    trust = ssl.create_default_context(cafile=str(files.ca))
    words = ("--device", "cpu", "--workers", "2", "--threads", "1", "--api-keys-file", str(keys))
    tls = ("--tls-cert", str(files.cert), "--tls-key", str(files.key))
    with running(bundle, *words, *tls) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert SHOP not in server.line
        with httpx.Client(base_url=server.url, verify=trust, timeout=10) as client:
            assert client.get("/livez").status_code == 200
            assert client.get("/v1/model").status_code == 401
            assert client.post("/encode", json={"images": []}).status_code == 401
            assert client.get("/v1/model", headers=bearer(SHOP)).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{server.url}/livez")
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{server.url.replace('https', 'http')}/livez")
        credentials = grpc.ssl_channel_credentials(files.ca.read_bytes())
        with grpc.secure_channel(server.grpc, credentials) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest(), timeout=10).status == 1
            stub = LatentsStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.GetModel(GetModelRequest(), timeout=10)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
            pair = (("authorization", f"Bearer {SHOP}"),)
            assert stub.GetModel(GetModelRequest(), timeout=10, metadata=pair).name == "tiny"

        assert status_within(server.url, LATE, 401, trust) == 401
        keys.write_text(LATE_KEY.line())
        assert status_within(server.url, LATE, 200, trust) == 200
        assert status_within(server.url, SHOP, 401, trust) == 401
        code, printed = server.stop()
    assert code == 0
    assert SHOP not in printed
    assert LATE not in printed


def test_mutual_tls_under_bentoml_serve(bundle: Path, files: Files) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {
        "BUNDLE": str(bundle),
        "PORT": str(port),
        "GRPC_PORT": "0",
        "DEVICE": "cpu",
        "API_KEYS": SHOP,
        "TLS_CERT": str(files.cert),
        "TLS_KEY": str(files.key),
        "TLS_CLIENT_CA": str(files.ca),
    }
    environment = {f"LATENTSERVE_{name}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "bentoml", "serve", "service:LatentService", "--quiet"],
        env={**os.environ, **environment, "BENTOML_DO_NOT_TRACK": "True"},
        cwd=Path(__file__).resolve().parents[2],
    )
    url = f"https://127.0.0.1:{port}"
    ours = ssl.create_default_context(cafile=str(files.ca))
    ours.load_cert_chain(files.cert, files.key)
    try:
        wait_until_ready(url, process, trust=ours)
        assert httpx.get(f"{url}/v1/model", verify=ours, headers=bearer(SHOP)).status_code == 200
        nobody = ssl.create_default_context(cafile=str(files.ca))
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{url}/livez", verify=nobody)
        old = ssl.create_default_context(cafile=str(files.ca))
        old.load_cert_chain(files.cert, files.key)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/livez", verify=old)
    finally:
        process.terminate()
        process.wait(30)


def test_bentomls_own_client_sends_a_key(bundle: Path) -> None:
    words = ("--device", "cpu", "--threads", "1")
    environment = {"LATENTSERVE_API_KEYS": f"{SHOP_KEY.line()},{LATE_KEY.line()}"}
    with running(bundle, *words, environment=environment) as server:
        with bentoml.SyncHTTPClient(server.url, token=SHOP) as client, client._temp_dir:
            assert client.sample(n=2, seed=5).shape == (2, 16, 16, 3)
        metrics = httpx.get(f"{server.url}/metrics", headers=bearer(LATE)).text
    assert 'latentserve_caller_requests_total{caller="shop",slug="ok"}' in metrics


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--api-keys-file", "none"), "none: No such file"),
        (("--tls-cert", "none", "--tls-key", "none"), "none cannot be read: No such file"),
    ],
)
def test_what_cannot_work_stops_the_start_in_one_line(
    words: tuple[str, ...], told: str, bundle: Path
) -> None:
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "cli.main", "serve", "--bundle", str(bundle)),
            *("--port", "0", "--grpc-port", "0", *words),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert told in ended.stderr
